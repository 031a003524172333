"""``pulumi up``: what a server of Eph needs in an AWS account, as `eph self-install aws` creates it."""

from __future__ import annotations

import pulumi

from programs.targets.aws.foundation import installation

config = pulumi.Config()
options = installation.AwsInstallationOptions(
    region=pulumi.Config("aws").require("region"),
    domain=config.require("domain"),
    zone=config.get("zone") or "",
    principal=config.get("principal") or "",
)
installation.prepare(options).program()
