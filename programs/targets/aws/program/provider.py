"""pulumi-aws's provider: the account, the tags of everything, and where the services are.

Its nested values become JSON. Only pulumi-aws's own classes get the names that the plugin expects: the keys of a plain
mapping would stay as they are, and the plugin would ignore them.
"""

from __future__ import annotations

from typing import Any

import pulumi_aws as aws

from programs.targets.aws import tags
from programs.targets.aws.program.environment import AwsEnvironment
from programs.targets.aws.settings import AwsSettings, split_list

ENDPOINT_SERVICES = (
    "cloudwatch", "ec2", "ecs", "elbv2", "iam", "logs", "rds", "route53", "s3", "secretsmanager",
    "servicediscovery", "sqs", "sts",
)  # fmt: skip


def create(environment: AwsEnvironment) -> aws.Provider:
    settings = environment.settings
    return aws.Provider(
        "aws",
        region=settings.region,
        profile=settings.profile or None,
        allowed_account_ids=list(split_list(settings.accounts)) or None,
        assume_roles=_assumed_roles(settings, environment.spec.name),
        default_tags=aws.ProviderDefaultTagsArgs(tags=environment.tags),
        ignore_tags=aws.ProviderIgnoreTagsArgs(key_prefixes=list(tags.IGNORED_PREFIXES)),
        **endpoint_arguments(settings.endpoint, check_account=bool(settings.accounts)),
    )


def _assumed_roles(settings: AwsSettings, environment: str) -> list[Any] | None:
    """The provider refreshes these credentials on its own, so a long destroy doesn't fail halfway."""
    if not settings.role:
        return None
    return [
        aws.ProviderAssumeRoleArgs(
            role_arn=settings.role,
            session_name="eph",
            external_id=settings.external_id or None,
            tags={tags.ENVIRONMENT: environment, tags.MANAGED_BY: "eph"},
        )
    ]


def endpoint_arguments(
    endpoint: str, services: tuple[str, ...] = ENDPOINT_SERVICES, *, check_account: bool = False
) -> dict[str, Any]:
    """The provider's arguments if AWS is reached elsewhere, in tests."""
    if not endpoint:
        return {}
    return {
        "endpoints": [aws.ProviderEndpointArgs(**dict.fromkeys(services, endpoint))],
        "s3_use_path_style": True,
        "skip_credentials_validation": True,
        "skip_metadata_api_check": True,
        "skip_requesting_account_id": not check_account,
    }
