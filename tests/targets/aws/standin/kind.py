"""What each resource type brings, and the registry of all of them."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, ClassVar

from botocore.exceptions import ClientError

from programs.targets.aws.api.clients import is_missing
from tests.targets.aws.standin.connection import Connection

Values = dict[str, Any]
KINDS: dict[str, Kind] = {}
_GONE = ("NoSuchPublicAccessBlockConfiguration", "NoSuchTagSet")
_GONE_MESSAGES = ("not found", "Unable to describe task definition")
"""Of services that report a missing resource as an invalid request."""
WAIT_SECONDS, POLL_SECONDS = 300.0, 0.2


class Kind:
    """``replaced_by``: inputs whose change replaces the resource. ``updated_by``: those that change it in place;
    ``tagsAll`` is among them for every type with tags. ``name``: the input that Pulumi generates if it is missing.
    ``secret``: outputs that Pulumi must encrypt. ``defaults``: inputs that the plugin adds."""

    replaced_by: tuple[str, ...] = ()
    updated_by: tuple[str, ...] = ()
    secret: tuple[str, ...] = ()
    name = ""
    defaults: ClassVar[Values] = {}

    def create(self, aws: Connection, inputs: Values) -> str:
        raise NotImplementedError

    def read(self, aws: Connection, id_: str, state: Values) -> Values | None:
        """Outputs as AWS has them. None, or an error about something missing: it no longer exists."""
        raise NotImplementedError

    def update(self, aws: Connection, id_: str, old: Values, new: Values) -> None:
        raise NotImplementedError

    def delete(self, aws: Connection, id_: str, state: Values) -> None:
        raise NotImplementedError


def kind(token: str) -> Callable[[type[Kind]], type[Kind]]:
    def register(cls: type[Kind]) -> type[Kind]:
        KINDS[token] = cls()
        return cls

    return register


def renamed(values: Values, names: dict[str, str]) -> Values:
    """Those of the values that are there, with AWS's names."""
    return {names[name]: values[name] for name in names if values.get(name) is not None}


def read_back(values: Values, names: dict[str, str]) -> Values:
    """The opposite of ``renamed``."""
    return {name: values[other] for name, other in names.items() if values.get(other) is not None}


def tag_list(tags: dict[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def tag_map(tags: list[dict[str, str]]) -> dict[str, str]:
    return {item["Key"]: item["Value"] for item in tags}


def lower_tag_list(tags: dict[str, str]) -> list[dict[str, str]]:
    """As ECS wants them."""
    return [{"key": key, "value": value} for key, value in tags.items()]


def lower_tag_map(tags: list[dict[str, str]]) -> dict[str, str]:
    return {item["key"]: item["value"] for item in tags}


def removed_keys(old: Values, new: Values) -> list[str]:
    return sorted(old["tagsAll"].keys() - new["tagsAll"].keys())


def is_gone(error: ClientError) -> bool:
    about = error.response["Error"]
    invalid = about["Code"] in ("InvalidChangeBatch", "ClientException")
    unknown = invalid and any(text in about.get("Message", "") for text in _GONE_MESSAGES)
    return is_missing(error) or about["Code"] in _GONE or unknown


def wait_until(condition: Callable[[], bool], what: str, seconds: float = WAIT_SECONDS) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"timeout while waiting for {what}")
        time.sleep(POLL_SECONDS)


def retried_while_in_use(delete: Callable[[], Any], what: str, seconds: float) -> None:
    """As the official plugin does: AWS reports a dependency until what used the resource is gone."""

    def done() -> bool:
        try:
            delete()
        except ClientError as error:
            if error.response["Error"]["Code"] == "DependencyViolation":
                return False
            if not is_gone(error):
                raise
        return True

    wait_until(done, f"{what}, which something still depends on", seconds)
