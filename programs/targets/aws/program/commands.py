"""The repository's commands as one-off tasks: hooks, seeds and migrations, in the image of the first service."""

from __future__ import annotations

import pulumi
import pulumi_aws as aws
from pulumi import ResourceOptions

from programs.spec import CommandSpec, DatabaseSpec
from programs.targets.aws import sizing
from programs.targets.aws.program import masking
from programs.targets.aws.program.databases import Databases, seed_key
from programs.targets.aws.program.masking import Mask
from programs.targets.aws.program.network import Network
from programs.targets.aws.program.security import SecurityGroups
from programs.targets.aws.program.task_definitions import TaskDefinitions
from programs.targets.aws.v1 import resources

CONTAINER = "run"
MASK_SECONDS = 3600.0


class Commands:
    def __init__(self, definitions: TaskDefinitions, network: Network, security: SecurityGroups) -> None:
        self._definitions, self._network, self._security = definitions, network, security
        self._environment = definitions.environment

    def run_hooks(
        self, title: str, commands: tuple[CommandSpec, ...], after: list[pulumi.Resource]
    ) -> list[pulumi.Resource]:
        """One after the other, and only once per environment."""
        for index, command in enumerate(commands, 1):
            after = [self._run(f"{title}-{index}", command, after, once=self._environment.spec.name)]
        return after

    def fill(self, databases: Databases, after: list[pulumi.Resource]) -> list[pulumi.Resource]:
        """Seeds each database once and migrates it with each build. Databases don't wait for each other."""
        filled = list(after)
        for item in self._environment.spec.databases:
            last = list(after)
            if item.name in databases.instances:
                last.append(databases.instances[item.name])
            if item.name in databases.masks:
                last = [self._mask(item, databases.masks[item.name], last)]
            last = self._fill(item, last)
            filled += [one for one in last if one not in filled]
        return filled

    def _fill(self, item: DatabaseSpec, last: list[pulumi.Resource]) -> list[pulumi.Resource]:
        once = "/".join([item.name, *seed_key(item)])
        if item.seed and item.migrate and item.migrate_first:
            last = [self._run(f"migrate-{item.name}-first", item.migrate, last, once)]
        if item.seed:
            last = [self._run(f"seed-{item.name}", item.seed, last, once)]
        if item.migrate:
            last = [self._run(f"migrate-{item.name}", item.migrate, last)]
        return last

    def _mask(self, item: DatabaseSpec, mask: Mask, after: list[pulumi.Resource]) -> pulumi.Resource:
        """Runs again only for another instance or with another mask."""
        name, image = f"mask-{item.name}", self._environment.settings.mask_image
        definition = self._definitions.create_tool(f"run-{name}", CONTAINER, image, masking.COMMAND, mask.secrets)
        return self._task(name, definition, mask.key, MASK_SECONDS, after)

    def _run(self, name: str, command: CommandSpec, after: list[pulumi.Resource], once: str = "") -> pulumi.Resource:
        """Runs with every build, or again only when ``once`` or the command changes."""
        environment, definitions = self._environment, self._definitions
        service = environment.spec.services[0]
        size = sizing.service_size(service, environment.size)
        definition = definitions.create(f"run-{name}", CONTAINER, service, size, command.run)
        run = "\0".join([command.run, once or environment.generation])
        return self._task(name, definition, run, command.timeout, after)

    def _task(
        self,
        name: str,
        definition: aws.ecs.TaskDefinition,
        run: pulumi.Input[str],
        timeout: float,
        after: list[pulumi.Resource],
    ) -> pulumi.Resource:
        props = {
            "run": run,
            "title": name.replace("-", " "),
            "cluster": self._definitions.cluster,
            "definition": definition.arn,
            "subnets": self._network.subnet_ids,
            "security_group": self._security.tasks.id,
            "log_group": self._definitions.log_group.name,
            "timeout": timeout,
            "settings": self._environment.client_settings(),
        }
        return resources.OneOffTask(name, props, ResourceOptions(depends_on=[*after, *self._network.ready]))
