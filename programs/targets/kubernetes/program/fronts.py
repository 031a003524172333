"""What people reach: an Ingress or HTTPRoute for each public service, and its route at the gateway."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from pulumi import Resource, ResourceOptions

from programs.targets.kubernetes import gateway_routes, scale_to_zero
from programs.targets.kubernetes.api import object_names
from programs.targets.kubernetes.program.environment import KubernetesEnvironment
from programs.targets.kubernetes.program.resource_builder import ResourceBuilder, ResourceGroup
from programs.targets.kubernetes.rendering import namespace_objects
from programs.targets.kubernetes.v1 import resources


def create(builder: ResourceBuilder, ready: list[Resource]) -> list[Resource]:
    """Routes wait for everything. Ingresses don't: the old version responds behind them until the new one is ready."""
    environment = builder.environment
    part, last = ResourceGroup("Front", "front"), list(ready)
    for index, (name, host) in enumerate(environment.hosts.items()):
        backend = environment.backend(name)
        paths = environment.prepared.paths.get(name, ())
        key = name if index else backend[0]
        leads = namespace_objects.ingress_or_route(
            environment.settings, f"{object_names.PREFIX}{key}"[:59].rstrip("-"), host, backend, paths
        )
        fronts = [builder.apply(leads, part, builder.namespace_parts)] if leads else []
        last += fronts
        upstream = gateway_routes.upstream(environment.settings, environment.namespace, *backend)
        if environment.settings.routes and upstream:
            listed = gateway_routes.path_routes(environment.settings, environment.namespace, paths)
            props = {**_route_props(environment, name, host), "upstream": upstream}
            # Without paths, the key is left out, as in the states of earlier versions.
            props |= {"paths": [asdict(item) for item in listed]} if listed else {}
            after = [*fronts, *builder.namespace_parts, *ready]
            last.append(resources.Door(f"door-{key}", props, ResourceOptions(depends_on=after)))
    return last


def _route_props(environment: KubernetesEnvironment, name: str, host: str) -> dict[str, Any]:
    return {
        "folder": environment.settings.routes,
        "environment": environment.spec.name,
        "host": host,
        "service": name,
        "commit": environment.spec.source.commit,
        "sign_in": environment.spec.sign_in,
        "allow": list(environment.spec.allow),
        "sole": environment.settings.front == "eph",
        "health": environment.health_path(name),
        "asleep": scale_to_zero.starts_nothing(environment.spec),
    }
