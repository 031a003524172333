"""Reads AWS's public price list (the bulk API, which needs no credentials), one file per service and region.

The files are CSV, read line by line, because some are over a hundred megabytes. Rows are selected by usage type, whose
prefix is the region's: ``EUC1-Fargate-GB-Hours``.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from programs.costs import PublishedPrices
from programs.registry import Download
from programs.targets.aws.errors import AwsError
from programs.targets.aws.pricing import wording
from programs.targets.aws.pricing.price_data import instance_item
from programs.targets.aws.settings import AwsSettings
from programs.targets.aws.sizing import SIZES

HOST = "https://pricing.us-east-1.amazonaws.com"
_PUBLISHED = "Publication Date"
_LAST_BEFORE_TABLE = "OfferCode"


@dataclass(frozen=True, slots=True)
class _WantedRow:
    """``columns``: values that a row must have besides its usage type."""

    item: str
    usage_type: str
    columns: tuple[tuple[str, str], ...] = ()

    def matches(self, row: Mapping[str, str]) -> bool:
        usage = row.get("usageType", "")
        return (usage == self.usage_type or usage.endswith(f"-{self.usage_type}")) and all(
            row.get(name) == value for name, value in self.columns
        )


_POSTGRES = (("Database Engine", "PostgreSQL"),)
_OFFERS: Mapping[str, tuple[_WantedRow, ...]] = {
    "AmazonECS": (
        _WantedRow("fargate_cpu_x86_64", "Fargate-vCPU-Hours:perCPU"),
        _WantedRow("fargate_memory_x86_64", "Fargate-GB-Hours"),
        _WantedRow("fargate_cpu_arm64", "Fargate-ARM-vCPU-Hours:perCPU"),
        _WantedRow("fargate_memory_arm64", "Fargate-ARM-GB-Hours"),
    ),
    "AmazonRDS": (
        *(
            _WantedRow(instance_item(size.instance_class), f"InstanceUsage:{size.instance_class}", _POSTGRES)
            for size in SIZES.values()
        ),
        _WantedRow("rds_gp3", "RDS:GP3-Storage", _POSTGRES),
    ),
    "AWSELB": (_WantedRow("load_balancer", "LoadBalancerUsage", (("operation", "LoadBalancing:Application"),)),),
    "AmazonVPC": (_WantedRow("public_ipv4", "PublicIPv4:InUseAddress"),),
    "AWSSecretsManager": (_WantedRow("secret", "AWSSecretsManager-Secrets"),),
}


def download_prices(settings: AwsSettings, download: Download) -> PublishedPrices:
    host = settings.endpoint or HOST
    amounts: dict[str, Decimal] = {}
    dates: list[str] = []
    for offer, wanted in _OFFERS.items():
        url = f"{host.rstrip('/')}/offers/v1.0/aws/{offer}/current/{settings.region}/index.csv"
        found, published = _read(url, download, wanted)
        amounts |= found
        dates.append(published)
    return PublishedPrices(amounts, f"{host.rstrip('/')}/offers/v1.0/aws", min(dates))


def _read(url: str, download: Download, wanted: tuple[_WantedRow, ...]) -> tuple[dict[str, Decimal], str]:
    amounts: dict[str, Decimal] = {}
    try:
        lines = iter(download(url))
        published = _published(lines)
        for row in _rows(lines):
            amounts |= {item.item: _amount(row) for item in wanted if item.matches(row)}
    except (csv.Error, InvalidOperation, ValueError, LookupError) as error:
        raise AwsError(wording.not_a_price_list(url, error)) from error
    missing = [item.item for item in wanted if item.item not in amounts]
    if missing:
        raise AwsError(wording.prices_missing(url, ", ".join(missing)))
    return amounts, published


def _published(lines: Iterator[str]) -> str:
    """The publication date, from the lines before the table. Reads those lines."""
    found = ""
    for row in csv.reader(lines):
        if row[:1] == [_PUBLISHED]:
            found = row[1][:10]
        if row[:1] == [_LAST_BEFORE_TABLE]:
            return found
    raise ValueError(f"it has no line {_LAST_BEFORE_TABLE}")


def _rows(lines: Iterable[str]) -> Iterator[dict[str, str]]:
    """On-demand prices in US dollars, of the first tier: prices fall with the amount."""
    for row in csv.DictReader(lines):
        if (row.get("TermType"), row.get("Currency")) == ("OnDemand", "USD") and row.get("StartingRange") in ("0", ""):
            yield row


def _amount(row: Mapping[str, str]) -> Decimal:
    return Decimal(row["PricePerUnit"])
