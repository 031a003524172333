"""Quantities in Kubernetes notation: ``500m``, ``2``, ``512Mi``, ``20G``."""

from __future__ import annotations

import re
from decimal import Decimal

from programs.targets.kubernetes.api import wording
from programs.targets.kubernetes.errors import KubernetesError

_AMOUNT = re.compile(r"([0-9]+(?:\.[0-9]+)?)(m|k|K|M|G|T|Ki|Mi|Gi|Ti)?")
_UNITS: dict[str | None, Decimal] = {
    None: Decimal(1),
    "m": Decimal("0.001"),
    **{unit: Decimal(1000) ** (index + 1) for index, unit in enumerate("kMGT")},
    **{f"{unit}i": Decimal(1024) ** (index + 1) for index, unit in enumerate("KMGT")},
}


def parse(text: str) -> Decimal:
    found = _AMOUNT.fullmatch(text)
    if not found:
        raise KubernetesError(wording.invalid_quantity(text))
    return Decimal(found[1]) * _UNITS["k" if found[2] == "K" else found[2]]


def format_bytes(amount: Decimal) -> str:
    """For people: in the largest unit that keeps the number at 1 or more."""
    for unit in ("Ti", "Gi", "Mi", "Ki"):
        if amount >= _UNITS[unit]:
            return f"{(amount / _UNITS[unit]).quantize(Decimal('0.1')).normalize():f}{unit}"
    return f"{amount:f}"


def double(text: str) -> str:
    found = _AMOUNT.fullmatch(text)
    return f"{2 * Decimal(found[1]):f}{found[2] or ''}" if found else text


def smaller(text: str, other: str) -> str:
    return text if parse(text) <= parse(other) else other


def normalize(text: str) -> str:
    """The form that the cluster accepts: thousands are a lowercase k."""
    return f"{text[:-1]}k" if text.endswith("K") else text
