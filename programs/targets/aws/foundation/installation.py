"""``eph self-install`` on AWS: its options, what Eph's role can do and why, and what the foundation costs."""

from __future__ import annotations

from pydantic import Field

from programs.costs import CostEstimate, CostSheet
from programs.installation import InstallationOptions, InstallationPlan, Permission
from programs.targets.aws.foundation import foundation_settings, wording
from programs.targets.aws.foundation.foundation_settings import NAME, ZONES, FoundationSettings
from programs.targets.aws.pricing import price_data
from programs.targets.aws.settings import AwsSettings


class AwsInstallationOptions(InstallationOptions):
    region: str = Field(description=wording.REGION)
    domain: str = Field(description=wording.DOMAIN)
    zone: str = Field(default="", description=wording.ZONE)
    principal: str = Field(default="", description=wording.PRINCIPAL)
    endpoint: str = Field(default="", description=wording.ENDPOINT)


def prepare(options: InstallationOptions) -> InstallationPlan:
    """Reads only the names of the region's availability zones."""
    if not isinstance(options, AwsInstallationOptions):
        raise TypeError(f"these options are another target's: {options!r}")
    settings = _look_up(options)

    def program() -> None:
        from programs.targets.aws.foundation import foundation_program

        foundation_program.build(settings)

    return InstallationPlan(
        wording.place(settings.region, settings.domain),
        program,
        tuple(Permission(what, why) for what, why in wording.PERMISSIONS),
        monthly_cost(settings),
        configuration="eph_toml",
    )


def _look_up(options: AwsInstallationOptions) -> FoundationSettings:
    """What the operator wrote is checked before AWS is asked anything."""
    from programs.targets.aws.api import existing_parts
    from programs.targets.aws.api.clients import AwsClients

    given = options.model_dump()
    placeholder = tuple(f"{options.region}{letter}" for letter in "ab"[:ZONES])
    foundation_settings.check(FoundationSettings(zones=placeholder, **given))
    account = AwsClients(AwsSettings(options.region, NAME, endpoint=options.endpoint))
    zones = existing_parts.list_zones(account)
    return foundation_settings.check(FoundationSettings(zones=zones, **given))


def monthly_cost(settings: FoundationSettings) -> CostEstimate:
    """What AWS charges for by the hour or month, whether or not there are environments."""
    sheet = CostSheet(price_data.foundation_prices(settings.region))
    sheet.add(wording.COST_OF_LOAD_BALANCER, "load_balancer", 1, asleep=True)
    sheet.add(wording.COST_OF_ADDRESSES, "public_ipv4", ZONES, asleep=True)
    sheet.add(wording.COST_OF_ZONE, "hosted_zone", 0 if settings.zone else 1, asleep=True)
    sheet.add(wording.COST_OF_KEY, "kms_key", 1, asleep=True)
    return sheet.estimate(excluded=wording.COST_EXCLUDED)
