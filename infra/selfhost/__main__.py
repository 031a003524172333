"""``pulumi up``: what a server of Eph needs in an AWS account."""

from __future__ import annotations

import pulumi

from programs.targets.aws import settings
from programs.targets.aws.api import existing_parts
from programs.targets.aws.api.clients import AwsClients
from programs.targets.aws.foundation import foundation_program
from programs.targets.aws.foundation.foundation_settings import FoundationSettings

config = pulumi.Config()
region = pulumi.Config("aws").require("region")
account = AwsClients(settings.AwsSettings(region, "eph"))
foundation_program.build(
    FoundationSettings(
        config.require("domain"),
        region,
        existing_parts.list_zones(account),
        config.get("zone") or "",
        config.get("principal") or "",
    )
)
