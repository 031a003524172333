"""Task definitions, and what all of them share: the cluster, the log group and the roles."""

from __future__ import annotations

import json
from typing import Any

import pulumi
import pulumi_aws as aws
from pulumi import Output

from programs.spec import ServiceSpec
from programs.targets.aws import names, sizing
from programs.targets.aws.program.access import Access
from programs.targets.aws.program.environment import AwsEnvironment, Part, has_port, port
from programs.targets.aws.program.secret_values import SecretValues
from programs.targets.aws.program.storage import Storage
from programs.targets.aws.sizing import FargateSize

_ARCHITECTURES = {"arm64": "ARM64", "x86_64": "X86_64"}


class TaskDefinitions(Part):
    def __init__(
        self,
        environment: AwsEnvironment,
        provider: pulumi.ProviderResource,
        storage: Storage,
        secret_values: SecretValues,
    ) -> None:
        super().__init__("Tasks", "tasks", provider)
        self.environment, self._storage, self._secret_values = environment, storage, secret_values
        self.log_group = aws.cloudwatch.LogGroup(
            "logs",
            name=names.log_group(environment.settings.server, environment.spec.name),
            retention_in_days=int(environment.settings.log_days),
            opts=self.options(),
        )
        self.cluster = self._cluster()
        self.namespace = self._namespace()
        self._access = Access(environment, provider, storage, secret_values.arns, self.log_group.arn)
        self.ready = [*self._access.ready, *secret_values.ready]
        self.register_outputs({})

    def _cluster(self) -> Output[str]:
        """Its ARN, or the name of the shared one."""
        settings = self.environment.settings
        if settings.cluster:
            return Output.from_input(settings.cluster)
        cluster = aws.ecs.Cluster("cluster", name=self.environment.name(names.OTHER), opts=self.options())
        if not settings.uses_spot:
            arn: Output[str] = cluster.arn
            return arn
        providers = aws.ecs.ClusterCapacityProviders(
            "cluster", cluster_name=cluster.name, capacity_providers=["FARGATE", "FARGATE_SPOT"], opts=self.options()
        )
        return Output.all(cluster.arn, providers.id).apply(lambda found: str(found[0]))

    def _namespace(self) -> Output[str] | None:
        """Only needed if there are other services to find."""
        services = self.environment.spec.services
        if len(services) < 2 or not any(map(has_port, services)):
            return None
        space = aws.servicediscovery.HttpNamespace(
            "namespace", name=self.environment.name(names.OTHER), opts=self.options()
        )
        arn: Output[str] = space.arn
        return arn

    def create(
        self, name: str, container: str, service: ServiceSpec, size: FargateSize, command: str = ""
    ) -> aws.ecs.TaskDefinition:
        """``command`` runs instead of the service, in its image."""
        content = Output.all(
            variables=Output.from_input(self._storage.variables),
            secrets=Output.from_input(self._secret_values.references),
            log_group=self.log_group.name,
        ).apply(lambda found: json.dumps([self._container(container, service, command, found)]))
        return self._register(name, size, content)

    def create_tool(
        self, name: str, container: str, image: str, command: str, secrets: dict[str, Output[str]]
    ) -> aws.ecs.TaskDefinition:
        """One of Eph's own steps, in an image that the operator chooses. It gets only these secrets, by variable."""
        content = Output.all(secrets=Output.from_input(secrets), log_group=self.log_group.name).apply(
            lambda found: json.dumps(
                [
                    {
                        "name": container,
                        "image": image,
                        "essential": True,
                        "command": ["sh", "-c", command],
                        "secrets": _value_from(found["secrets"]),
                        "logConfiguration": self._logging(container, found["log_group"]),
                    }
                ]
            )
        )
        return self._register(name, sizing.FARGATE_SIZES[0], content)

    def _register(self, name: str, size: FargateSize, content: Output[str]) -> aws.ecs.TaskDefinition:
        access, environment = self._access, self.environment
        return aws.ecs.TaskDefinition(
            name,
            family=environment.name(names.OTHER, name),
            requires_compatibilities=["FARGATE"],
            network_mode="awsvpc",
            cpu=str(size.cpu),
            memory=str(size.memory_mib),
            runtime_platform={
                "operating_system_family": "LINUX",
                "cpu_architecture": _ARCHITECTURES[environment.settings.architecture],
            },
            execution_role_arn=access.execution_role.arn,
            task_role_arn=access.task_role.arn if access.task_role else None,
            container_definitions=content,
            opts=self.options(*self.ready),
        )

    def _container(
        self, name: str, service: ServiceSpec, one_off_command: str, found: dict[str, Any]
    ) -> dict[str, Any]:
        environment, secrets = self.environment, found["secrets"]
        variables = environment.variables(None if one_off_command else service) | found["variables"]
        command = one_off_command or service.command
        mapping = {"containerPort": port(service), "protocol": "tcp", "name": service.name}
        return {
            "name": name,
            "image": environment.image(service),
            "essential": True,
            **({"command": ["sh", "-c", command]} if command else {}),
            **({"portMappings": [mapping]} if has_port(service) and not one_off_command else {}),
            "environment": [
                {"name": key, "value": value} for key, value in sorted(variables.items()) if key not in secrets
            ],
            "secrets": _value_from(secrets),
            "dockerLabels": {"eph.secrets": environment.secrets_mark()},
            "logConfiguration": self._logging(name, found["log_group"]),
        }

    def _logging(self, container: str, log_group: str) -> dict[str, Any]:
        options = {
            "awslogs-group": log_group,
            "awslogs-region": self.environment.settings.region,
            "awslogs-stream-prefix": container,
        }
        return {"logDriver": "awslogs", "options": options}


def _value_from(secrets: dict[str, str]) -> list[dict[str, str]]:
    return [{"name": key, "valueFrom": arn} for key, arn in sorted(secrets.items())]
