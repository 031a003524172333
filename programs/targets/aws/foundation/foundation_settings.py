"""What the operator decides about an account's foundation, checked before anything is declared."""

from __future__ import annotations

import re
from dataclasses import dataclass

from programs.targets.aws.errors import AwsError
from programs.targets.aws.foundation import wording

_DOMAIN = re.compile(r"(?=.{4,200}$)[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)+")
_ZONE = re.compile(r"Z[A-Z0-9]{4,31}")
_PRINCIPAL = re.compile(r"arn:aws[a-z-]*:iam::[0-9]{12}:(root|role/.+|user/.+)")
ZONES = 2
NAME = "eph"


@dataclass(frozen=True, slots=True)
class FoundationSettings:
    """``domain``: environments get host names below it. ``zones``: two availability zones. ``zone``: the ID of an
    existing hosted zone for the domain; empty creates one. ``principal``: the ARN that may assume Eph's role; empty:
    virtual machines of this account. ``name``: the prefix of all names. ``endpoint``: where every AWS service is
    reached, for tests."""

    domain: str
    region: str
    zones: tuple[str, ...]
    zone: str = ""
    principal: str = ""
    name: str = NAME
    endpoint: str = ""


def check(settings: FoundationSettings) -> FoundationSettings:
    if not _DOMAIN.fullmatch(settings.domain):
        raise AwsError(wording.invalid_domain(settings.domain))
    if settings.zone and not _ZONE.fullmatch(settings.zone):
        raise AwsError(wording.invalid_zone(settings.zone))
    if settings.principal and not _PRINCIPAL.fullmatch(settings.principal):
        raise AwsError(wording.invalid_principal(settings.principal))
    if len(set(settings.zones)) < ZONES:
        raise AwsError(wording.too_few_zones(settings.region))
    return settings
