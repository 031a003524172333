"""The repository's commands, as Jobs: hooks, seeds and migrations."""

from __future__ import annotations

import json

from pulumi import Resource, ResourceOptions

from programs.spec import CommandSpec, ServiceSpec
from programs.targets.kubernetes.api import object_names
from programs.targets.kubernetes.program.environment import KubernetesEnvironment
from programs.targets.kubernetes.program.resource_builder import ResourceBuilder, ResourceGroup
from programs.targets.kubernetes.rendering import workloads
from programs.targets.kubernetes.rendering.namespace_objects import Data
from programs.targets.kubernetes.v1 import resources

PRE_DESTROY_TIMEOUT = 60


def run_once(
    builder: ResourceBuilder, title: str, commands: tuple[CommandSpec, ...], after: list[Resource]
) -> list[Resource]:
    """Runs the commands one after the other, and only once per environment."""
    environment = builder.environment
    part = ResourceGroup("Hooks", title) if commands else None
    for index, command in enumerate(commands):
        after = [run(builder, f"{title} {index + 1}", command, part, after, once=environment.spec.name)]
    return after


def run(
    builder: ResourceBuilder,
    title: str,
    command: CommandSpec,
    part: Resource | None,
    after: list[Resource],
    once: str = "",
) -> Resource:
    """Runs a command of the repository as a Job in the environment's first image: with every build, or only once."""
    environment = builder.environment
    content = "\0".join([command.run, once or environment.generation])
    name = object_names.job("run", title.replace(" ", "-"), content)
    job = _job(environment, name, command)
    made = builder.apply(job, part or builder.namespace, after)
    return builder.wait_until_ready(made, job, title, command.timeout + 60)


def _job(environment: KubernetesEnvironment, name: str, command: CommandSpec) -> Data:
    service = ServiceSpec("command", command.run, public=False)
    of = next((item for item in environment.spec.services if item.image), service)
    container = workloads.container_spec(
        service, environment.command_image, environment.variables(of), environment.settings
    )
    template = workloads.pod_template(environment.labels, workloads.pod_spec(environment.settings, [container]))
    return workloads.job_object(name, template, command.timeout)


def add_pre_destroy_hooks(builder: ResourceBuilder, after: list[Resource]) -> None:
    """Pulumi deletes these before everything they depend on, in reverse order. Until then each is only the description
    of a Job. It contains no secrets: its variables refer to Kubernetes Secrets."""
    environment = builder.environment
    for index, command in reversed(list(enumerate(environment.spec.hooks.pre_destroy))):
        title = f"pre-destroy {index + 1}"
        short = CommandSpec(command.run, min(command.timeout, PRE_DESTROY_TIMEOUT))
        job = _job(environment, f"{object_names.PREFIX}run-pre-destroy-{index + 1}", short)
        job["metadata"]["labels"] = environment.labels
        # As text, because Pulumi passes numbers to a dynamic provider as floats.
        props = {
            "namespace": environment.namespace,
            "title": title,
            "job": json.dumps(job),
            "on": environment.cluster_settings(),
        }
        after = [resources.LastWords(f"pre-destroy-{index + 1}", props, ResourceOptions(depends_on=after))]
