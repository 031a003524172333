"""The services: a Fargate task definition and an ECS service for each, which is ready before others that need it.

An update starts new tasks next to the old ones. ECS's circuit breaker ends an update whose tasks don't become healthy
and keeps the old ones.
"""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws
from pulumi import Output, ResourceOptions

from programs import start_order
from programs.spec import ServiceSpec
from programs.targets.aws import names, sizing, tags
from programs.targets.aws.program.environment import Part, has_port, port
from programs.targets.aws.program.load_balancing import LoadBalancing
from programs.targets.aws.program.network import Network
from programs.targets.aws.program.security import SecurityGroups
from programs.targets.aws.program.task_definitions import TaskDefinitions

_START_SECONDS = 600


@dataclass(frozen=True)
class ServiceSurroundings:
    network: Network
    security: SecurityGroups
    load_balancing: LoadBalancing
    definitions: TaskDefinitions


class Services(Part):
    """``ready`` are the services, in no particular order; each is there only once it is healthy."""

    def __init__(
        self, provider: pulumi.ProviderResource, surroundings: ServiceSurroundings, after: list[pulumi.Resource]
    ) -> None:
        super().__init__("Services", "services", provider)
        self._surroundings = surroundings
        self._environment = surroundings.definitions.environment
        by_name: dict[str, pulumi.Resource] = {}
        for item in start_order.in_order(self._environment.spec.services):
            by_name[item.name] = self._create(item, [*after, *(by_name[name] for name in item.after)])
        self.ready = list(by_name.values())
        self.register_outputs({})

    def _create(self, item: ServiceSpec, after: list[pulumi.Resource]) -> pulumi.Resource:
        environment, definitions = self._environment, self._surroundings.definitions
        group = self._surroundings.load_balancing.target_groups.get(item.name)
        definition = definitions.create(
            f"service-{item.name}", item.name, item, sizing.service_size(item, environment.size)
        )
        attached = group and [
            {"target_group_arn": group.arn, "container_name": item.name, "container_port": port(item)}
        ]
        rule = self._surroundings.load_balancing.rules.get(item.name)
        waits = pulumi.CustomTimeouts(
            create=f"{item.health.deadline + _START_SECONDS}s", update=f"{item.health.deadline + _START_SECONDS}s"
        )
        service: pulumi.Resource = aws.ecs.Service(
            f"service-{item.name}",
            name=environment.name(names.OTHER, item.name),
            cluster=definitions.cluster,
            task_definition=definition.arn,
            desired_count=environment.size.replicas,
            deployment_circuit_breaker={"enable": True, "rollback": True},
            deployment_minimum_healthy_percent=100,
            deployment_maximum_percent=200,
            health_check_grace_period_seconds=item.health.deadline if group else None,
            load_balancers=attached or None,
            network_configuration=self._network_configuration(),
            service_connect_configuration=self._service_connect(item),
            propagate_tags="SERVICE",
            wait_for_steady_state=True,
            tags={tags.SERVICE: item.name, tags.REPLICAS: str(environment.size.replicas)},
            **self._capacity(),
            opts=ResourceOptions.merge(
                self.options(*after, *([rule] if rule else [])), ResourceOptions(custom_timeouts=waits)
            ),
        )
        return service

    def _network_configuration(self) -> dict[str, object]:
        return {
            "subnets": self._surroundings.network.subnet_ids,
            "security_groups": [self._surroundings.security.tasks.id],
            "assign_public_ip": True,
        }

    def _capacity(self) -> dict[str, object]:
        if self._environment.settings.uses_spot:
            return {"capacity_provider_strategies": [{"capacity_provider": "FARGATE_SPOT", "weight": 1}]}
        return {"launch_type": "FARGATE"}

    def _service_connect(self, item: ServiceSpec) -> dict[str, object] | None:
        """How services find each other by name: ``http://<service>:<port>``."""
        namespace: Output[str] | None = self._surroundings.definitions.namespace
        if namespace is None:
            return None
        offered = {
            "port_name": item.name,
            "discovery_name": item.name,
            "client_alias": [{"port": port(item), "dns_name": item.name}],
        }
        return {"enabled": True, "namespace": namespace, **({"services": [offered]} if has_port(item) else {})}
