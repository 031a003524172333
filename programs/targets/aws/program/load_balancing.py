"""How visitors reach public services: a target group and a host rule for each, on the shared load balancer or the
environment's own, and a DNS record. A TXT record states who owns it, because DNS records have no tags."""

from __future__ import annotations

import pulumi
import pulumi_aws as aws
from pulumi import Output

from programs.spec import ServiceSpec
from programs.targets.aws import dns_ownership, names
from programs.targets.aws.program import wording
from programs.targets.aws.program.environment import AwsEnvironment, Part, port
from programs.targets.aws.program.network import Network
from programs.targets.aws.program.security import SecurityGroups

DNS_TTL_SECONDS = 60
_DRAIN_SECONDS = 5
NOT_FOUND_ACTION = {
    "type": "fixed-response",
    "fixed_response": {"content_type": "text/plain", "status_code": "404", "message_body": wording.NO_SUCH_PREVIEW},
}


class LoadBalancing(Part):
    """``target_groups`` and ``rules`` by service. A service can be attached to its group once its rule exists."""

    def __init__(
        self,
        environment: AwsEnvironment,
        provider: pulumi.ProviderResource,
        network: Network,
        security: SecurityGroups,
    ) -> None:
        super().__init__("LoadBalancing", "load-balancing", provider)
        self._environment, self._network = environment, network
        self.target_groups: dict[str, aws.lb.TargetGroup] = {}
        self.rules: dict[str, pulumi.Resource] = {}
        self.records: list[pulumi.Resource] = []
        public = [item for item in environment.spec.services if item.public]
        if public:
            listener, host = self._shared() if environment.settings.listener else self._own(security)
            for item in public:
                self._route(item, listener, host)
        self.register_outputs({})

    def _shared(self) -> tuple[Output[str], Output[str]]:
        environment = self._environment
        return (
            Output.from_input(environment.settings.listener),
            Output.from_input(environment.shared.load_balancer_host),
        )

    def _own(self, security: SecurityGroups) -> tuple[Output[str], Output[str]]:
        settings = self._environment.settings
        balancer = aws.lb.LoadBalancer(
            "load-balancer",
            name=self._environment.name(names.LOAD_BALANCER),
            load_balancer_type="application",
            security_groups=security.load_balancer,
            subnets=self._network.subnet_ids,
            enable_deletion_protection=False,
            opts=self.options(*self._network.ready),
        )
        secure = {"port": 443, "protocol": "HTTPS", "certificate_arn": settings.certificate}
        listener = aws.lb.Listener(
            "listener",
            load_balancer_arn=balancer.arn,
            default_actions=[NOT_FOUND_ACTION],
            **(secure if settings.certificate else {"port": 80, "protocol": "HTTP"}),
            opts=self.options(),
        )
        return listener.arn, balancer.dns_name

    def _route(self, item: ServiceSpec, listener: Output[str], host: Output[str]) -> None:
        group = aws.lb.TargetGroup(
            f"service-{item.name}",
            name=self._environment.name(names.TARGET_GROUP, item.name, str(port(item))),
            port=port(item),
            protocol="HTTP",
            target_type="ip",
            vpc_id=self._network.vpc_id,
            deregistration_delay=_DRAIN_SECONDS,
            health_check={"path": item.health.path, "matcher": "200-399", "interval": 10, "healthy_threshold": 2},
            opts=self.options(),
        )
        self.target_groups[item.name] = group
        self.rules[item.name] = aws.lb.ListenerRule(
            f"service-{item.name}",
            listener_arn=listener,
            actions=[{"type": "forward", "target_group_arn": group.arn}],
            conditions=[{"host_header": {"values": [self._environment.hosts[item.name]]}}],
            opts=self.options(),
        )
        if self._environment.settings.zone:
            self._record(item.name, host)

    def _record(self, service: str, load_balancer_host: Output[str]) -> None:
        """The ownership record is created first and deleted last, so no record is ever without it."""
        environment = self._environment
        host = environment.hosts[service]
        owner = aws.route53.Record(
            f"owner-{service}",
            zone_id=environment.settings.zone,
            name=dns_ownership.owner_name(host),
            type="TXT",
            ttl=DNS_TTL_SECONDS,
            records=[dns_ownership.owner_text(environment.settings.server, environment.spec.name)],
            opts=self.options(),
        )
        self.records.append(
            aws.route53.Record(
                f"host-{service}",
                zone_id=environment.settings.zone,
                name=host,
                type="CNAME",
                ttl=DNS_TTL_SECONDS,
                records=[load_balancer_host],
                opts=self.options(owner),
            )
        )
