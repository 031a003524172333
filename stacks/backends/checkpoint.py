"""A stack's checkpoint, in the format that Pulumi's own backends share: a JSON document per stack."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from programs import registry
from programs.spec import DEFAULT_TARGET
from stacks import names
from stacks.model import BuildInfo, PinnedImages, StackRecord, StackRef, StackTag, StackUpdate

_STACK_TYPE = "pulumi:pulumi:Stack"
_PROVIDER_TYPE_PREFIX = "pulumi:providers:"


def record(
    ref: StackRef, document: Mapping[str, Any], tag: StackTag | None, history: tuple[StackUpdate, ...]
) -> StackRecord:
    """Raises if the document has an unexpected shape."""
    deployment = _latest_deployment(document)
    resources = deployment.get("resources") or []
    built = _build_info(resources)
    return StackRecord(
        ref=ref,
        tag=tag,
        built=built,
        resource_count=sum(_is_resource(resource) for resource in resources),
        pending_operations=len(deployment.get("pending_operations") or []),
        history=history,
        target=built.target
        if built
        else _input_value(resources, registry.TARGET_INPUT) or (tag.target if tag else DEFAULT_TARGET),
        resource_names={part: name for part, name in map(_resource_name, filter(_is_resource, resources)) if part},
        name_from_state=_input_value(resources, registry.ENVIRONMENT_INPUT),
        pinned_images=_pinned_images(resources),
    )


def empty(ref: StackRef) -> str:
    """What ``pulumi stack init`` writes, without its process. The first ``up`` chooses the salt of the secrets, as it
    does for every stack that has none."""
    return json.dumps({"version": 3, "checkpoint": {"stack": f"organization/{ref}"}})


def secrets_salt(text: str | bytes) -> str:
    """The salt that the state's secrets were encrypted with; empty if there is none, or if the state is truncated."""
    try:
        return str(json.loads(text)["checkpoint"]["latest"]["secrets_providers"]["state"]["salt"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return ""


def _latest_deployment(document: Mapping[str, Any]) -> dict[str, Any]:
    """The newest state in a checkpoint; empty if nothing was ever deployed. Raises for an unexpected shape."""
    latest = document["checkpoint"].get("latest")
    if latest is None:
        return {}
    if not isinstance(latest, dict):
        raise TypeError("checkpoint.latest is not an object")
    return latest


def _is_resource(resource: dict[str, Any]) -> bool:
    kind = resource["type"]
    return kind != _STACK_TYPE and not kind.startswith(_PROVIDER_TYPE_PREFIX)


def _resource_name(resource: dict[str, Any]) -> tuple[str, str]:
    """Kind and ID, and the name in the program. Resources without an ID can't be looked up, so they are left out."""
    found = resource.get("id")
    kind, name = str(resource["type"]).rpartition(":")[2], str(resource.get("urn", "")).rpartition("::")[2]
    return (sys.intern(f"{kind}:{found}"), sys.intern(name)) if found else ("", "")


def _input_value(resources: list[dict[str, Any]], input_name: str) -> str:
    """Our resources have inputs with their environment and sometimes their target (``registry.Target``)."""
    named = (item["inputs"].get(input_name) for item in resources if isinstance(item.get("inputs"), dict))
    return next((name for name in named if isinstance(name, str) and names.ENVIRONMENT_NAME.fullmatch(name)), "")


def _pinned_images(resources: list[dict[str, Any]]) -> PinnedImages | None:
    """The images that the program recorded before anything else (``registry.PINNED_INPUT``)."""
    for item in resources:
        pinned = item["inputs"].get(registry.PINNED_INPUT) if isinstance(item.get("inputs"), dict) else None
        if isinstance(pinned, dict) and isinstance(pinned.get("commit"), str):
            return PinnedImages(pinned["commit"], _string_map(pinned.get("images")), _string_map(pinned.get("found")))
    return None


def _string_map(data: object) -> dict[str, str]:
    return {str(key): str(value) for key, value in data.items()} if isinstance(data, dict) else {}


def _build_info(resources: list[dict[str, Any]]) -> BuildInfo | None:
    """The ``built`` output of the stack resource, or None if it is incomplete."""
    outputs = next((item.get("outputs") for item in resources if item["type"] == _STACK_TYPE), None)
    data = (outputs or {}).get("built")
    if not isinstance(data, dict):
        return None
    try:
        return BuildInfo(
            commit=str(data["commit"]),
            spec_digest=str(data["spec_digest"]),
            program_version=str(data["program_version"]),
            target=str(data["target"]),
            url=str(data["url"]),
            urls={str(key): str(value) for key, value in data["urls"].items()},
            built_at=datetime.fromisoformat(str(data["at"])).astimezone(UTC),
            images=_string_map(data.get("images")),
            found=_string_map(data.get("found")),
            notices=tuple(str(notice) for notice in data.get("notices") or ()),
            health=_string_map(data.get("health")),
        )
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
        return None
