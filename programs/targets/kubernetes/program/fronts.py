"""What people reach: an Ingress or HTTPRoute for each public service, and its route at the gateway."""

from __future__ import annotations

from pulumi import Resource, ResourceOptions

from programs.targets.kubernetes import gateway_routes, scale_to_zero
from programs.targets.kubernetes.api import object_names
from programs.targets.kubernetes.program.resource_builder import ResourceBuilder, ResourceGroup
from programs.targets.kubernetes.rendering import namespace_objects, workloads
from programs.targets.kubernetes.v1 import resources


def create(builder: ResourceBuilder, ready: list[Resource]) -> list[Resource]:
    """Routes wait for everything. Ingresses don't: the old version responds behind them until the new one is ready."""
    environment = builder.environment
    part, last = ResourceGroup("Front", "front"), list(ready)
    for index, (name, host) in enumerate(environment.hosts.items()):
        backend = environment.prepared.backends.get(name, (name, workloads.HTTP_PORT))
        key = name if index else backend[0]
        leads = namespace_objects.ingress_or_route(
            environment.settings,
            f"{object_names.PREFIX}{key}"[:59].rstrip("-"),
            host,
            backend,
            environment.prepared.paths.get(name, ()),
        )
        fronts = [builder.apply(leads, part, builder.namespace_parts)] if leads else []
        last += fronts
        upstream = gateway_routes.upstream(environment.settings, environment.namespace, *backend)
        if environment.settings.routes and upstream:
            last.append(_gateway_route(builder, key, name, host, upstream, [*fronts, *builder.namespace_parts, *ready]))
    return last


def _gateway_route(
    builder: ResourceBuilder, key: str, name: str, host: str, upstream: str, after: list[Resource]
) -> Resource:
    environment = builder.environment
    props = {
        "folder": environment.settings.routes,
        "environment": environment.spec.name,
        "host": host,
        "service": name,
        "commit": environment.spec.source.commit,
        "sign_in": environment.spec.sign_in,
        "allow": list(environment.spec.allow),
        "upstream": upstream,
        "sole": environment.settings.front == "eph",
        "health": environment.health_path(name),
        "asleep": scale_to_zero.starts_nothing(environment.spec),
    }
    return resources.Door(f"door-{key}", props, ResourceOptions(depends_on=after))
