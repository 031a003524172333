"""Who may open a protected preview: how ephd tells the gateway who a person is, and how the gateway remembers it.

ephd knows people, the gateway knows hosts; they share a key in a file. A *grant* travels once, in a URL, for a minute,
and only counts in the browser that requested it (``state``). A *pass* is the gateway's cookie on one host, for an hour;
then the gateway asks ephd again, so whoever loses access loses it within the hour.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import secrets
from collections.abc import Collection
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from orchestrator.config import file_names
from orchestrator.config.server_keys import KEY_BYTES, read_or_create

GRANT_SECONDS = 60
PASS_SECONDS = 3600
GROUP_MARK = "@"
OAUTH_CALLBACK_PATH = "/_eph/oauth/callback"
"""ephd passes the URL to the gateway, and the gateway answers there."""
_MAX_LENGTH = 8192


@dataclass(frozen=True, slots=True)
class Visitor:
    """A person, as the identity provider describes them."""

    name: str
    groups: tuple[str, ...] = ()

    def is_allowed(self, allow: Collection[str]) -> bool:
        """``allow`` has names of people, and groups as ``@group``: nobody can name themselves like a group. Empty
        allows everyone who can sign in."""
        if not allow:
            return True
        names = {item.lower() for item in allow if not item.startswith(GROUP_MARK)}
        groups = {item.removeprefix(GROUP_MARK) for item in allow if item.startswith(GROUP_MARK)}
        return self.name.lower() in names or not groups.isdisjoint(self.groups)


def preview_key_file(keys_dir: Path) -> Path:
    preview_key(keys_dir)
    return keys_dir / file_names.PREVIEW_KEY


def preview_key(keys_dir: Path) -> bytes:
    """The key that ephd and the gateway share. Deleting the file signs everyone out of previews."""
    return read_or_create(keys_dir / file_names.PREVIEW_KEY, secrets.token_bytes(KEY_BYTES))


def revoke_key(keys_dir: Path) -> None:
    """Signs everyone out of previews. The next start creates another one."""
    (keys_dir / file_names.PREVIEW_KEY).unlink(missing_ok=True)


def create_grant(key: bytes, visitor: Visitor, host: str, state: str, now: float) -> str:
    return _seal(key, "grant", visitor, host, state, int(now) + GRANT_SECONDS)


def read_grant(key: bytes, grant: str, host: str, state: str, now: float) -> Visitor | None:
    return _open(key, "grant", grant, host, state, now) if state else None


def create_pass(key: bytes, visitor: Visitor, host: str, now: float) -> str:
    return _seal(key, "pass", visitor, host, "", int(now) + PASS_SECONDS)


def read_pass(key: bytes, value: str, host: str, now: float) -> Visitor | None:
    return _open(key, "pass", value, host, "", now)


def create_share_grant(key: bytes, link_id: str, host: str, now: float) -> str:
    """For a visitor with a share link. Whoever has the link may send it to others, so it isn't bound to one browser."""
    return _seal(key, "share grant", Visitor(link_id), host, "", int(now) + GRANT_SECONDS)


def read_share_grant(key: bytes, grant: str, host: str, now: float) -> str:
    """The link's ID, or empty."""
    found = _open(key, "share grant", grant, host, "", now)
    return found.name if found else ""


def create_share_pass(key: bytes, link_id: str, host: str, until: int) -> str:
    return _seal(key, "share pass", Visitor(link_id), host, "", until)


def read_share_pass(key: bytes, value: str, host: str, now: float) -> str:
    """The link's ID, or empty. It only counts while the link does."""
    found = _open(key, "share pass", value, host, "", now)
    return found.name if found else ""


def _seal(key: bytes, purpose: str, visitor: Visitor, host: str, state: str, until: int) -> str:
    content = {**asdict(visitor), "host": host, "state": state, "until": until}
    body = base64.urlsafe_b64encode(json.dumps(content, separators=(",", ":")).encode()).decode().rstrip("=")
    return f"{body}.{_sign(key, purpose, body)}"


def _open(key: bytes, purpose: str, value: str, host: str, state: str, now: float) -> Visitor | None:
    """None unless it was sealed with this key, for this purpose, host and state, and is still valid."""
    body, _, signature = value.partition(".")
    expected = _sign(key, purpose, body[:_MAX_LENGTH])
    if not hmac.compare_digest(signature.encode("utf-8", "replace"), expected.encode()):
        return None
    content = _decode(body)
    if content.get("host") != host or content.get("state") != state or now >= content.get("until", 0):
        return None
    return Visitor(content["name"], tuple(content["groups"]))


def _decode(body: str) -> dict[str, Any]:
    try:
        found = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    except (ValueError, binascii.Error):
        return {}
    return found if isinstance(found, dict) else {}


def _sign(key: bytes, purpose: str, body: str) -> str:
    own_key = hmac.digest(key, f"eph preview {purpose}".encode(), "sha256")
    return hmac.new(own_key, body.encode("utf-8", "replace"), hashlib.sha256).hexdigest()
