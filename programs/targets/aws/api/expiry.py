"""The tag with an environment's expiry, on every resource that the Tagging API can tag (C2)."""

from __future__ import annotations

from datetime import UTC, datetime

from programs.targets.aws import tags
from programs.targets.aws.api import inventory, wording
from programs.targets.aws.api.clients import AwsClients, translated
from programs.targets.aws.errors import AwsError

_BATCH = 20


def write(clients: AwsClients, environment: str, expires_at: datetime | None) -> None:
    value = expires_at.astimezone(UTC).isoformat(timespec="seconds") if expires_at else "never"
    resources = inventory.list_environment(clients, environment)
    arns = [item.id for item in resources if item.id.startswith("arn:")]
    for start in range(0, len(arns), _BATCH):
        with translated("resourcegroupstaggingapi TagResources"):
            answer = clients.client("resourcegroupstaggingapi").tag_resources(
                ResourceARNList=arns[start : start + _BATCH], Tags={tags.EXPIRES_AT: value}
            )
        for arn, failure in answer.get("FailedResourcesMap", {}).items():
            if failure.get("StatusCode") not in (400, 404):
                raise AwsError(wording.cannot_tag(arn, failure.get("ErrorMessage", "unknown")))
    ec2 = [item.id for item in resources if item.kind.startswith("ec2:")]
    if ec2:
        with translated("ec2 CreateTags"):
            clients.client("ec2").create_tags(Resources=ec2, Tags=tags.to_list({tags.EXPIRES_AT: value}))
