"""The inline program: one environment as Pulumi resources, in the order that keeps the old version live.

Namespace and its surroundings → databases, seeds, migrations → services, each after those it names → ingresses and
routes → built. Everything in the namespace is deleted with it: a destroy deletes only the namespace. Pulumi's await
logic is off; ``Ready`` waits instead and reports why something doesn't become ready, and the target's purge does so for
a namespace that doesn't terminate.
"""

from __future__ import annotations

from pulumi import Output, Resource, ResourceOptions

from programs.outputs import OutputExporter
from programs.spec import POSTGRESQL
from programs.targets.kubernetes import shared_postgres, wording
from programs.targets.kubernetes.api import object_names
from programs.targets.kubernetes.program import commands, databases, fronts, mail, services
from programs.targets.kubernetes.program.environment import KubernetesEnvironment
from programs.targets.kubernetes.program.resource_builder import ResourceBuilder
from programs.targets.kubernetes.rendering import servers, workloads
from programs.targets.kubernetes.v1 import resources


def build(environment: KubernetesEnvironment) -> None:
    hooks = environment.spec.hooks
    builder = ResourceBuilder(environment)
    filled, urls = databases.create(builder)
    filled += mail.create(builder)
    filled = commands.run_once(builder, "pre-create", hooks.pre_create, filled)
    ready = services.create(builder, filled)
    ready += services.create_from_manifests(builder, filled)
    ready = commands.run_once(builder, "post-create", hooks.post_create, ready)
    last = fronts.create(builder, ready)
    commands.add_pre_destroy_hooks(builder, last)
    _export(environment, last, urls)


def _export(environment: KubernetesEnvironment, last: list[Resource], urls: dict[str, Output[str]]) -> None:
    at = f"-n {environment.namespace}"
    logs = f"kubectl logs {at} --all-containers --prefix -l {object_names.ENVIRONMENT}={environment.spec.name}"
    hints = [f"kubectl get all,ingress {at}", f"kubectl get events {at} --sort-by=.lastTimestamp"]
    for item in environment.spec.databases:
        if shared_postgres.is_shared(item, environment.settings):
            hints.append(wording.shared_database(shared_postgres.database_name(environment.spec.name, item)))
        else:
            port = workloads.POSTGRES_PORT if item.engine == POSTGRESQL else servers.PODS[item.engine].port
            hints.append(f"kubectl port-forward {at} svc/{object_names.database(item)} {port}")
    done = resources.Done("done", {"generation": environment.generation}, ResourceOptions(depends_on=last))
    prepared = environment.prepared
    exporter = OutputExporter(environment.urls, urls, logs, hints, prepared.notices, prepared.health)
    exporter.export(environment.spec, environment.version, done.at)
