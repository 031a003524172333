"""What people read about an account's foundation."""

from __future__ import annotations

from collections.abc import Sequence


def invalid_domain(domain: str) -> str:
    return f"{domain!r} isn't a domain; use one such as preview.example.com"


def invalid_zone(zone: str) -> str:
    return f"{zone!r} isn't the ID of a hosted zone, such as Z0123456789ABC; leave it out to create a zone"


def invalid_principal(principal: str) -> str:
    return (
        f"{principal!r} isn't the ARN of a role, a user or an account's root, such as arn:aws:iam::123456789012:role/ci"
    )


def too_few_zones(region: str) -> str:
    return f"the region {region} has fewer than two availability zones, which a load balancer needs"


LOAD_BALANCER_GROUP = "Load balancer of all previews"
STATE_KEY = "Backups of Eph"
REGISTRY_RULE = "Keep the newest images"
BOUNDARY = "What the roles of previews can have at most"
ROLE_OF_EPH = "What Eph can do"


def eph_toml(domain: str, region: str, subnets: Sequence[str], found: dict[str, str]) -> str:
    """The settings of a server that uses what was created."""
    listed = ", ".join(f'"{item}"' for item in subnets)
    return f"""domain = "{domain}"
public_url = "https://{{host}}"

[targets]
allowed = ["aws"]
default = "aws"

[aws]
region = "{region}"
role = "{found["role"]}"
subnets = [{listed}]
listener = "{found["listener"]}"
cluster = "{found["cluster"]}"
permissions_boundary = "{found["boundary"]}"
registries = ["{found["registry"]}"]

[images]
architectures = ["arm64"]
credential_helpers = ["{found["registry"].partition("/")[0]}=ecr"]
"""


# --- eph self-install

REGION = "The region, such as eu-central-1."
DOMAIN = "Environments get host names below it, such as preview.example.com."
ZONE = "The ID of an existing hosted zone for the domain. Without it, one is created."
PRINCIPAL = "The ARN that may assume Eph's role. Without it, virtual machines of this account can."
ENDPOINT = "Where every AWS service is reached. For tests only."

PERMISSIONS = (
    ("ec2", "Security groups of environments. Not instances, networks or images."),
    (
        "ecs, elasticloadbalancing, servicediscovery",
        "Services, one-off tasks, and their host names at the shared load balancer.",
    ),
    ("rds", "Databases, and restoring masked snapshots."),
    ("sqs, S3 buckets whose names start with eph-", "Queues and buckets of environments."),
    ("secretsmanager, logs", "Secrets and output of environments."),
    ("tag", "Finding everything by tag, and keeping the expiry current."),
    ("ecr", "Looking up images."),
    (
        "IAM roles below /eph/",
        "The roles of tasks. Eph can create them only with the permissions boundary, so it can't give itself more.",
    ),
)
"""What Eph's role can do, and why."""

COST_OF_LOAD_BALANCER = "Load balancer"
COST_OF_ADDRESSES = "Public addresses of the load balancer"
COST_OF_ZONE = "Hosted zone"
COST_OF_KEY = "Key of the backups"
COST_EXCLUDED = ("traffic", "stored images", "stored backups")


def place(region: str, domain: str) -> str:
    return f"AWS, {region}, for *.{domain}"
