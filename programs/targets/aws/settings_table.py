"""The table ``[aws]`` of eph.toml."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from programs.settings import ServerContext, StringList, TargetSettings, as_text
from programs.targets.aws import wording

_TOOLS = ("toolbox", "path", "tools_env", "ca_file", "machine_proxy")


class AwsTargetSettings(TargetSettings):
    """The target `aws`: Fargate services with RDS, queues and buckets. Credentials come from AWS's default chain."""

    region: str = Field(default="", description="The region, such as eu-central-1.")
    profile: str = Field(default="", description="A profile of ~/.aws/config. Empty: AWS's default credentials.")
    role: str = Field(default="", description="The ARN of a role that Eph assumes. Empty: the credentials' own rights.")
    external_id: str = Field(default="", description="The external ID that the role's trust policy requires.")
    accounts: StringList = Field(
        default=(), description="IDs of the only accounts that Eph may change anything in. Empty: any."
    )
    subnets: StringList = Field(
        default=(),
        description="IDs of at least two public subnets of one VPC, shared by all environments. Empty: each "
        "environment has its own network.",
    )
    listener: str = Field(
        default="",
        description="The ARN of a load balancer's HTTPS listener, shared by all environments by host name. Empty: "
        "each environment has its own load balancer.",
    )
    cluster: str = Field(
        default="", description="The name of an ECS cluster, shared by all environments. Empty: each has its own."
    )
    certificate: str = Field(
        default="", description="The ARN of a wildcard certificate for environments' own load balancers. Empty: HTTP."
    )
    zone: str = Field(
        default="",
        description="The ID of the Route 53 hosted zone in which Eph creates a record for each host name. Empty: a "
        "wildcard record leads to the shared load balancer.",
    )
    load_balancer_url: str = Field(
        default="",
        description="The URL at which the gateway reaches the shared load balancer for readiness checks, such as "
        "http://10.0.0.5. Empty: the host name of each environment, as for visitors.",
    )
    permissions_boundary: str = Field(
        default="", description="The ARN of a policy that limits every role that Eph creates."
    )
    allowed_networks: StringList = Field(
        default=("0.0.0.0/0",), description="Networks that can reach environments' own load balancers."
    )
    registries: StringList = Field(default=(), description="Prefixes of allowed images. Empty: any image.")
    plain_http: StringList = Field(
        default=(), description="Registries that Eph reads images from without TLS, for tests."
    )
    architecture: Literal["arm64", "x86_64"] = Field(default="arm64", description="The architecture of images.")
    spot: bool = Field(
        default=False, description="Run services on Fargate Spot. It's cheaper, and AWS can stop a task at any time."
    )
    largest_size: Literal["ephemeral", "full"] = Field(
        default="ephemeral", description="The largest value of aws.size that eph.yaml can request."
    )
    cpu: str = Field(default="4", description="The maximum CPU of one environment; eph.yaml can set less.")
    memory: str = Field(default="8Gi", description="The maximum memory of one environment; eph.yaml can set less.")
    log_days: Literal[1, 3, 5, 7, 14, 30] = Field(default=7, description="For how many days logs are kept.")
    snapshots: StringList = Field(
        default=(),
        description="RDS instances whose newest snapshot environments can have, masked: NAME=INSTANCE/DATABASE.",
    )
    masks: StringList = Field(
        default=(),
        description="For each of `snapshots`, the file with the SQL that masks its data: NAME=FILE.",
    )
    mask_image: str = Field(
        default="public.ecr.aws/docker/library/postgres:17",
        description="The image with psql in which masks run. Its version must not be older than the database's.",
    )
    read_replicas: StringList = Field(
        default=(),
        description="Databases that environments can read: NAME=FILE, a file with the URL of a role that can only "
        "read.",
    )
    endpoint: str = Field(default="", description="A URL that serves every AWS service, for tests. Empty: AWS.")

    egress_allow: StringList = Field(
        default=(),
        description="Private networks that test suites can reach, such as 10.0.0.0/16 for a load balancer in a VPN.",
    )
    first_uid: int = Field(
        default=2_280_000, ge=1000, description="If Eph runs as root: the first of the users of test suites."
    )

    def to_mapping(self, server: ServerContext) -> dict[str, str]:
        """Tests run on Eph's machine, so they get the tools that the server grants there."""
        tools = {**server.tools.to_mapping(), "tools_env": as_text(server.tools.variables)}
        return {**super().to_mapping(server), **{name: tools[name] for name in _TOOLS}}

    def label_deploy_obstacle(self) -> str:
        return wording.NO_LABEL_DEPLOYS

    def image_registries(self) -> tuple[str, ...]:
        return self.registries
