"""The compact tag: a stack's own metadata in at most 256 characters, parsed as untrusted text.

Pulumi Cloud limits a tag's value to 256 characters, so keys are short and times are in seconds. The time of falling
asleep has milliseconds, so that a request earlier in the same second doesn't wake it again. A tag that can't be parsed
is None, which makes the stack half-created: it is completed or destroyed, never trusted.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from programs.spec import DEFAULT_TARGET
from stacks import keys
from stacks.model import RefKind, StackTag

TAG_KEY = "eph"
VARIABLES_KEY = "eph-variables"
"""Followed by a number: the variables that people set, encrypted and split to fit into tags."""
MAX_LENGTH = 256


def encode(tag: StackTag) -> str:
    """Raises ValueError if it can't be shortened to the limit. Of a label deploy nothing is shortened, because the tag
    is all that requests it; its key follows from its label, and its repository's name isn't stored."""
    is_deploy = tag.key.kind is RefKind.DEPLOY
    owner = {"label": tag.ref_name} if is_deploy else {"pr": f"{tag.repository_name}#{keys.to_number(tag.key)}"}
    data: dict[str, Any] = {
        "v": 1,
        "env": tag.name,
        **owner,
        "repo": tag.key.repository,
        "inc": tag.incarnation,
        "sha": tag.commit,
        "seen": _to_seconds(tag.seen),
    }
    if tag.ref_name and not is_deploy:
        data["ref"] = tag.ref_name
    times = (("until", tag.extended_until), ("up", tag.awake_until))
    data.update({name: _to_seconds(at) for name, at in times if at is not None})
    if tag.asleep is not None:  # only a sleeping stack can be half-way
        at = round(tag.asleep.timestamp(), 3)
        data["nap"] = -at if tag.half else at
    if tag.keep:
        data["keep"] = 1
    if tag.target != DEFAULT_TARGET:
        data["on"] = tag.target
    if tag.by:
        data["by"] = tag.by
    return _whole(data, tag) if is_deploy else _fit(data, tag)


def decode(value: str) -> StackTag | None:
    if len(value) > MAX_LENGTH:
        return None  # not ours, and not worth parsing
    try:
        data = json.loads(value)
        label = str(data.get("label", ""))
        repository_name, _, number = ("", "", "0") if label else data["pr"].rpartition("#")
        repository = int(data["repo"])
        return StackTag(
            key=keys.ref(repository, RefKind.DEPLOY, label) if label else keys.from_number(repository, int(number)),
            repository_name=repository_name,
            name=str(data["env"]),
            incarnation=str(data["inc"]),
            commit=str(data["sha"]),
            seen=_parse_time(data["seen"]),
            extended_until=_optional_time(data, "until"),
            asleep=datetime.fromtimestamp(abs(float(data["nap"])), UTC) if "nap" in data else None,
            awake_until=_optional_time(data, "up"),
            half=float(data.get("nap", 0)) < 0,
            keep=bool(data.get("keep")),
            ref_name=label or str(data.get("ref", "")),
            target=str(data.get("on", DEFAULT_TARGET)),
            by=str(data.get("by", "")),
        )
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, OSError):
        return None


def encode_variables(text: str) -> dict[str, str]:
    """The tags for an encrypted text; none for an empty one."""
    parts = range(0, len(text), MAX_LENGTH)
    return {f"{VARIABLES_KEY}-{index}": text[start : start + MAX_LENGTH] for index, start in enumerate(parts)}


def decode_variables(found: Mapping[str, Any]) -> str:
    """From all tags of a stack. If one of several is lost, the text can't be decrypted."""
    mine = {key.removeprefix(f"{VARIABLES_KEY}-"): str(value) for key, value in found.items()}
    return "".join(mine[number] for number in sorted(filter(str.isdecimal, mine), key=int))


def _to_seconds(at: datetime) -> int:
    return int(at.timestamp())


def _parse_time(seconds: int) -> datetime:
    return datetime.fromtimestamp(int(seconds), UTC)


def _optional_time(data: dict[str, Any], key: str) -> datetime | None:
    return _parse_time(abs(int(data[key]))) if key in data else None


def _whole(data: dict[str, Any], tag: StackTag) -> str:
    value = json.dumps(data, separators=(",", ":"))
    if len(value) > MAX_LENGTH:
        raise ValueError(f"the tag of {tag.name} exceeds the limit of {MAX_LENGTH} characters")
    return value


def _fit(data: dict[str, Any], tag: StackTag) -> str:
    """Shortens the repository's name first, because it is only for people, and keeps its end. Then a branch's name."""
    shorter = [(kept, len(tag.ref_name)) for kept in range(len(tag.repository_name), -1, -1)]
    shorter += [(0, kept) for kept in range(len(tag.ref_name) - 1, -1, -1)]
    for kept, of_ref in shorter:
        name = tag.repository_name[len(tag.repository_name) - kept :]
        ref = {"ref": tag.ref_name[:of_ref]} if tag.ref_name else {}
        fitted = {**data, "pr": f"{name}#{keys.to_number(tag.key)}", **ref}
        value = json.dumps(fitted, separators=(",", ":"))
        if len(value) <= MAX_LENGTH:
            return value
    raise ValueError(f"the tag of {tag.name} exceeds the limit of {MAX_LENGTH} characters")
