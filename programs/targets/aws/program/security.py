"""Who can reach what: visitors the load balancer, the load balancer the tasks, tasks each other and the databases."""

from __future__ import annotations

from typing import Any

import pulumi
import pulumi_aws as aws
from pulumi import Output

from programs.targets.aws import names
from programs.targets.aws.program import wording
from programs.targets.aws.program.environment import AwsEnvironment, Part, has_port, port
from programs.targets.aws.program.network import Network
from programs.targets.aws.settings import split_list

POSTGRES_PORT = 5432
_EVERYWHERE = "0.0.0.0/0"


class SecurityGroups(Part):
    """``load_balancer`` is the environment's own or the shared one's groups."""

    def __init__(self, environment: AwsEnvironment, provider: pulumi.ProviderResource, network: Network) -> None:
        super().__init__("SecurityGroups", "security", provider)
        self._environment, self._vpc_id = environment, network.vpc_id
        self.tasks = self._group("tasks", wording.TASKS_GROUP)
        self._outgoing("tasks", self.tasks.id)
        self.load_balancer: list[Output[str]] = self._load_balancer()
        self._between()
        self.database: aws.ec2.SecurityGroup | None = None
        if environment.spec.databases:
            self.database = self._group("database", wording.DATABASES_GROUP)
            self._incoming("database", self.database.id, POSTGRES_PORT, referenced_security_group_id=self.tasks.id)
        self.register_outputs({})

    def _load_balancer(self) -> list[Output[str]]:
        settings = self._environment.settings
        if settings.listener:
            return [Output.from_input(group) for group in self._environment.shared.load_balancer_groups]
        if not self._environment.hosts:
            return []
        group = self._group("load-balancer", wording.LOAD_BALANCER_GROUP)
        self._outgoing("load-balancer", group.id)
        for network in split_list(settings.allowed_networks):
            name = f"visitors-{network.replace('/', '-')}"
            self._incoming(name, group.id, 443 if settings.certificate else 80, cidr_ipv4=network)
        return [group.id]

    def _between(self) -> None:
        """The load balancer reaches public services, and tasks reach each other, on the services' ports only."""
        services = [item for item in self._environment.spec.services if has_port(item)]
        for number in sorted({port(item) for item in services if item.public}):
            for index, group in enumerate(self.load_balancer):
                name = f"tasks-{number}" + (f"-{index}" if index else "")
                self._incoming(name, self.tasks.id, number, referenced_security_group_id=group)
        if len(self._environment.spec.services) > 1:
            for number in sorted({port(item) for item in services}):
                self._incoming(f"peers-{number}", self.tasks.id, number, referenced_security_group_id=self.tasks.id)

    def _group(self, name: str, description: str) -> aws.ec2.SecurityGroup:
        return aws.ec2.SecurityGroup(
            name,
            name=self._environment.name(names.OTHER, name),
            description=description,
            vpc_id=self._vpc_id,
            opts=self.options(),
        )

    def _incoming(self, name: str, group: Output[str], number: int, **source: Any) -> None:
        aws.vpc.SecurityGroupIngressRule(
            name,
            security_group_id=group,
            ip_protocol="tcp",
            from_port=number,
            to_port=number,
            **source,
            opts=self.options(),
        )

    def _outgoing(self, name: str, group: Output[str]) -> None:
        aws.vpc.SecurityGroupEgressRule(
            name, security_group_id=group, ip_protocol="-1", cidr_ipv4=_EVERYWHERE, opts=self.options()
        )
