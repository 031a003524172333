"""The services of eph.yaml, and the workloads in the repository's own manifests."""

from __future__ import annotations

import copy

from pulumi import Resource

from programs import start_order
from programs.spec import ServiceSpec
from programs.targets.kubernetes import scale_to_zero
from programs.targets.kubernetes.api import object_names
from programs.targets.kubernetes.manifests import rewriting
from programs.targets.kubernetes.program.resource_builder import ResourceBuilder, ResourceGroup
from programs.targets.kubernetes.rendering import workloads


def create(builder: ResourceBuilder, filled: list[Resource]) -> list[Resource]:
    """Creates them in the order of ``after``; the others start together."""
    environment = builder.environment
    ready: dict[str, Resource] = {}
    for item in start_order.in_order(environment.spec.services):
        ready[item.name] = _service(builder, item, [*filled, *(ready[name] for name in item.after)])
    return list(ready.values())


def _service(builder: ResourceBuilder, item: ServiceSpec, after: list[Resource]) -> Resource:
    environment = builder.environment
    part = ResourceGroup("Service", f"service-{item.name}")
    labels = {**environment.labels, object_names.SERVICE: item.name, object_names.PUBLIC: str(item.public).lower()}
    container = workloads.container_spec(
        item,
        environment.image(item),
        environment.variables(item),
        environment.settings,
        environment.hosts.get(item.name, ""),
    )
    spec = workloads.pod_spec(environment.settings, [container])
    volumes = workloads.pod_volumes(item, environment.settings)
    if volumes:
        spec["volumes"] = volumes
        spec["securityContext"]["fsGroup"] = 65532
    template = workloads.pod_template(labels, spec, object_names.secrets_annotation(environment.spec))
    after = [*after, *(builder.apply(data, part) for data in workloads.volume_claims(item, environment.settings))]
    if item.schedule:
        return builder.apply(workloads.cron_job(item, template), part, after)
    if workloads.has_port(item):
        after = [*after, builder.apply(workloads.cluster_service(item), part)]
    data = workloads.deployment(item, template, environment.settings)
    applied = scale_to_zero.stopped(data) if scale_to_zero.starts_nothing(environment.spec) else data
    made = builder.apply(applied, part, after)
    return builder.wait_until_ready(
        made, data, f"service {item.name}", item.health.deadline, stopped=applied is not data
    )


def create_from_manifests(builder: ResourceBuilder, after: list[Resource]) -> list[Resource]:
    environment = builder.environment
    if not environment.prepared.objects:
        return []
    part, ready = ResourceGroup("Manifests", "manifests"), []
    variables = environment.manifest_variables()
    scaled = scale_to_zero.autoscaled(environment.prepared.objects)
    stops = scale_to_zero.starts_nothing(environment.spec)
    for brought in environment.prepared.objects:
        data = scale_to_zero.without_replicas(rewriting.set_variables(copy.deepcopy(brought), variables), scaled)
        applied = scale_to_zero.stopped(data) if stops else data
        made = builder.apply(applied, part, after)
        kind, name = data["kind"], data["metadata"]["name"]
        if kind in ("Deployment", "StatefulSet", "Job"):
            made = builder.wait_until_ready(made, data, f"{kind} {name}", 300, stopped=applied is not data)
        ready.append(made)
    return ready
