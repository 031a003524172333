"""The TXT record that marks each of our DNS records, as in external-dns: DNS records have no tags."""

from __future__ import annotations

import re

_LABEL = "_eph"
_TEXT = re.compile(r"\"?heritage=eph,server=(?P<server>[^,\"]+),environment=(?P<environment>[a-z0-9-]+)\"?")


def owner_name(host: str) -> str:
    return f"{_LABEL}.{host}"


def owned_host(name: str) -> str:
    """The host that this ownership record marks; empty if it isn't an ownership record."""
    label, _, host = name.rstrip(".").partition(".")
    return host if label == _LABEL else ""


def owner_text(server: str, environment: str) -> str:
    return f"heritage=eph,server={server},environment={environment}"


def parse_owner(text: str) -> tuple[str, str] | None:
    """Server and environment, or None if the record isn't Eph's."""
    match = _TEXT.fullmatch(text)
    return (match["server"], match["environment"]) if match else None
