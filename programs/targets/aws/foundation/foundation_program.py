"""The program: the network and the load balancer that all environments share, and what else an account needs."""

from __future__ import annotations

import json
from typing import Any

import pulumi
import pulumi_aws as aws
from pulumi import Output, ResourceOptions

from programs.spec import EnvironmentSpec, GitSource
from programs.targets.aws.api.existing_parts import ExistingParts
from programs.targets.aws.foundation import foundation_settings, permissions, wording
from programs.targets.aws.foundation.foundation_settings import FoundationSettings
from programs.targets.aws.program import provider as provider_arguments
from programs.targets.aws.program.environment import AwsEnvironment, Part
from programs.targets.aws.program.load_balancing import NOT_FOUND_ACTION
from programs.targets.aws.program.network import Network
from programs.targets.aws.settings import AwsSettings

ENDPOINT_SERVICES = (*provider_arguments.ENDPOINT_SERVICES, "acm", "ecr", "kms")
IMAGES_KEPT = 500
_VIRTUAL_MACHINES = {"Service": "ec2.amazonaws.com"}
_TLS_POLICY = "ELBSecurityPolicy-TLS13-1-2-2021-06"


def build(settings: FoundationSettings) -> None:
    foundation_settings.check(settings)
    tags = {"ManagedBy": "eph-self-install", "Name": settings.name}
    provider = aws.Provider(
        "aws",
        region=settings.region,
        default_tags=aws.ProviderDefaultTagsArgs(tags=tags),
        **provider_arguments.endpoint_arguments(settings.endpoint, ENDPOINT_SERVICES),
    )
    network = Network(_shared_environment(settings), provider)
    domain = _Domain(settings, provider)
    front = _Front(settings, provider, network, domain)
    account = _Account(settings, provider)
    found = {
        "role": account.role.arn,
        "boundary": account.boundary.arn,
        "listener": front.listener.arn,
        "cluster": account.cluster.name,
        "registry": account.registry.repository_url,
    }
    pulumi.export("name_servers", domain.name_servers)
    pulumi.export("registry", account.registry.repository_url)
    pulumi.export("backups", account.bucket.bucket)
    pulumi.export("role", account.role.arn)
    pulumi.export(
        "eph_toml",
        Output.all(network.subnet_ids, Output.from_input(found)).apply(
            lambda known: wording.eph_toml(settings.domain, settings.region, known[0], known[1])
        ),
    )


def _shared_environment(settings: FoundationSettings) -> AwsEnvironment:
    """The environment that ``Network`` expects: one with its own network."""
    source = GitSource("", "0" * 40, "")
    spec = EnvironmentSpec(settings.name, settings.domain, "aws", settings.name, source, ())
    return AwsEnvironment(spec, AwsSettings(settings.region, settings.name), ExistingParts(zones=settings.zones), "")


class _Domain(Part):
    """The hosted zone and a certificate for all host names below the domain."""

    def __init__(self, settings: FoundationSettings, provider: pulumi.ProviderResource) -> None:
        super().__init__("Domain", "domain", provider)
        self.name_servers: Output[list[str]] = Output.from_input([])
        self.zone_id = Output.from_input(settings.zone)
        if not settings.zone:
            zone = aws.route53.Zone("zone", name=settings.domain, opts=self.options())
            self.zone_id, self.name_servers = zone.zone_id, zone.name_servers
        certificate = aws.acm.Certificate(
            "certificate",
            domain_name=f"*.{settings.domain}",
            validation_method="DNS",
            opts=ResourceOptions.merge(self.options(), ResourceOptions(delete_before_replace=False)),
        )
        option = certificate.domain_validation_options[0]
        record = aws.route53.Record(
            "validation",
            zone_id=self.zone_id,
            name=option.resource_record_name,
            type=option.resource_record_type,
            records=[option.resource_record_value],
            ttl=60,
            opts=self.options(),
        )
        validated = aws.acm.CertificateValidation(
            "certificate",
            certificate_arn=certificate.arn,
            validation_record_fqdns=[record.fqdn],
            opts=self.options(),
        )
        self.certificate_arn: Output[str] = validated.certificate_arn
        self.register_outputs({})


class _Front(Part):
    """The load balancer of all environments: HTTPS only, 404 for unknown host names, a record for all others."""

    def __init__(
        self, settings: FoundationSettings, provider: pulumi.ProviderResource, network: Network, domain: _Domain
    ) -> None:
        super().__init__("Front", "front", provider)
        group = aws.ec2.SecurityGroup(
            "front",
            name=f"{settings.name}-front",
            description=wording.LOAD_BALANCER_GROUP,
            vpc_id=network.vpc_id,
            opts=self.options(),
        )
        for port in (80, 443):
            aws.vpc.SecurityGroupIngressRule(
                f"front-{port}",
                security_group_id=group.id,
                ip_protocol="tcp",
                from_port=port,
                to_port=port,
                cidr_ipv4="0.0.0.0/0",
                opts=self.options(),
            )
        aws.vpc.SecurityGroupEgressRule(
            "front", security_group_id=group.id, ip_protocol="-1", cidr_ipv4="0.0.0.0/0", opts=self.options()
        )
        balancer = aws.lb.LoadBalancer(
            "front",
            name=settings.name,
            load_balancer_type="application",
            security_groups=[group.id],
            subnets=network.subnet_ids,
            opts=self.options(*network.ready),
        )
        self.listener = aws.lb.Listener(
            "https",
            load_balancer_arn=balancer.arn,
            port=443,
            protocol="HTTPS",
            ssl_policy=_TLS_POLICY,
            certificate_arn=domain.certificate_arn,
            default_actions=[NOT_FOUND_ACTION],
            opts=self.options(),
        )
        redirect = {"port": "443", "protocol": "HTTPS", "status_code": "HTTP_301"}
        aws.lb.Listener(
            "http",
            load_balancer_arn=balancer.arn,
            port=80,
            protocol="HTTP",
            default_actions=[{"type": "redirect", "redirect": redirect}],
            opts=self.options(),
        )
        aws.route53.Record(
            "previews",
            zone_id=domain.zone_id,
            name=f"*.{settings.domain}",
            type="A",
            aliases=[{"name": balancer.dns_name, "zone_id": balancer.zone_id, "evaluate_target_health": False}],
            opts=self.options(),
        )
        self.register_outputs({})


class _Account(Part):
    """The cluster, the registry, the bucket for backups with its key, and the roles."""

    def __init__(self, settings: FoundationSettings, provider: pulumi.ProviderResource) -> None:
        super().__init__("Account", "account", provider)
        self._settings = settings
        self.cluster = aws.ecs.Cluster("cluster", name=settings.name, opts=self.options())
        aws.ecs.ClusterCapacityProviders(
            "cluster",
            cluster_name=self.cluster.name,
            capacity_providers=["FARGATE", "FARGATE_SPOT"],
            opts=self.options(),
        )
        self.registry = self._registry()
        self.bucket = self._bucket()
        self.boundary = aws.iam.Policy(
            "boundary",
            name=f"{settings.name}-previews",
            description=wording.BOUNDARY,
            policy=_policy(permissions.boundary_statements()),
            opts=self.options(),
        )
        self.role = self._role()
        self.register_outputs({})

    def _registry(self) -> aws.ecr.Repository:
        repository = aws.ecr.Repository(
            "images",
            name=f"{self._settings.name}/previews",
            image_scanning_configuration={"scan_on_push": True},
            force_delete=True,
            opts=self.options(),
        )
        rule = {
            "rulePriority": 1,
            "description": wording.REGISTRY_RULE,
            "selection": {"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": IMAGES_KEPT},
            "action": {"type": "expire"},
        }
        aws.ecr.LifecyclePolicy(
            "images", repository=repository.name, policy=json.dumps({"rules": [rule]}), opts=self.options()
        )
        return repository

    def _bucket(self) -> aws.s3.Bucket:
        """Kept when everything else is destroyed, because it contains the backups."""
        kept = ResourceOptions.merge(self.options(), ResourceOptions(retain_on_delete=True))
        key = aws.kms.Key(
            "backups", description=wording.STATE_KEY, enable_key_rotation=True, deletion_window_in_days=30, opts=kept
        )
        bucket = aws.s3.Bucket("backups", bucket_prefix=f"{self._settings.name}-backups-", opts=kept)
        algorithm = {"sse_algorithm": "aws:kms", "kms_master_key_id": key.arn}
        aws.s3.BucketServerSideEncryptionConfiguration(
            "backups",
            bucket=bucket.id,
            rules=[{"apply_server_side_encryption_by_default": algorithm, "bucket_key_enabled": True}],
            opts=kept,
        )
        aws.s3.BucketVersioning("backups", bucket=bucket.id, versioning_configuration={"status": "Enabled"}, opts=kept)
        aws.s3.BucketPublicAccessBlock(
            "backups",
            bucket=bucket.id,
            block_public_acls=True,
            block_public_policy=True,
            ignore_public_acls=True,
            restrict_public_buckets=True,
            opts=kept,
        )
        return bucket

    def _role(self) -> aws.iam.Role:
        principal = {"AWS": self._settings.principal} if self._settings.principal else _VIRTUAL_MACHINES
        trust = {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}
        role = aws.iam.Role(
            "eph",
            name=self._settings.name,
            description=wording.ROLE_OF_EPH,
            assume_role_policy=_policy([trust]),
            opts=self.options(),
        )
        policy = self.boundary.arn.apply(lambda arn: _policy(permissions.eph_statements(arn)))
        aws.iam.RolePolicy("eph", name="eph", role=role.id, policy=policy, opts=self.options())
        if not self._settings.principal:
            aws.iam.InstanceProfile("eph", name=self._settings.name, role=role.name, opts=self.options())
        return role


def _policy(statements: list[dict[str, Any]]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": statements})
