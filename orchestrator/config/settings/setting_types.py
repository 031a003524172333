"""The value types of the server's settings: durations, addresses, domains, lists.

A variable contains a list with commas: ``EPH_FORGE__REPOSITORIES=acme/shop,acme/pay``.
"""

from __future__ import annotations

import ipaddress
import re
from datetime import timedelta
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

from orchestrator.config import wording
from programs.eph_yaml.durations import parse_duration
from programs.quoting import quote
from programs.settings import CommaSeparated, InvalidValue

_ADDRESS = re.compile(r"(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9.-]+):([0-9]{1,5})")
_DOMAIN = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*")
_NUMBER = re.compile(r"[0-9]{1,9}(\.[0-9]{1,3})?")


def host_and_port(address: str) -> tuple[str, int]:
    """The two parts of ``127.0.0.1:8080`` or ``[::1]:8080``; port 0 lets the system choose."""
    found = _ADDRESS.fullmatch(address)
    if found is None or int(found[2]) > 65535:
        raise InvalidValue(wording.settings.not_an_address(quote(address)), wording.settings.ADDRESS_EXAMPLE)
    return found[1].strip("[]"), int(found[2])


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address with that host."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _address(value: str) -> str:
    host_and_port(value)
    return value


def _domain(value: str) -> str:
    if len(value) > 180 or not _DOMAIN.fullmatch(value):
        raise InvalidValue(wording.settings.not_a_domain(quote(value)), wording.settings.DOMAIN_EXAMPLE)
    return value


def _duration(value: Any) -> Any:
    """A plain number means seconds; otherwise a duration as in eph.yaml."""
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        value = float(value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        if not 0 < value <= 31_536_000:
            raise InvalidValue(wording.settings.out_of_range(value), wording.settings.DURATION_RANGE)
        return timedelta(seconds=value)
    return parse_duration(value)


def _network(value: str) -> str:
    try:
        return str(ipaddress.ip_network(value))
    except ValueError:
        raise InvalidValue(wording.settings.not_a_network(quote(value)), wording.settings.NETWORK_EXAMPLE) from None


DurationSetting = Annotated[timedelta, BeforeValidator(_duration)]
Address = Annotated[str, AfterValidator(_address)]
Domain = Annotated[str, AfterValidator(_domain)]
Labels = Annotated[tuple[Annotated[str, Field(min_length=1, max_length=50)], ...], *CommaSeparated, Field(min_length=1)]
Domains = Annotated[tuple[Domain, ...], *CommaSeparated]
Networks = Annotated[tuple[Annotated[str, AfterValidator(_network)], ...], *CommaSeparated]
SecretName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$")]
