"""Operations and results as JSON, for the protocol between ephd and a worker."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from programs.spec import EnvironmentSpec
from stacks.model import Operation, OperationResult, OperationVerb, Outcome, StackRef, StackTag

_TIMES = ("seen", "extended_until", "asleep", "awake_until")


def dump(value: Operation | OperationResult) -> dict[str, Any]:
    return json.loads(json.dumps(dataclasses.asdict(value), default=_default))  # type: ignore[no-any-return]  # JSON


def load_operation(data: Mapping[str, Any]) -> Operation:
    return Operation(
        **{
            **data,
            "ref": StackRef(**data["ref"]),
            "verb": OperationVerb(data["verb"]),
            "tag": _load_tag(data["tag"]),
            "spec": None if data["spec"] is None else EnvironmentSpec.from_json(data["spec"]),
            "hidden": tuple(data.get("hidden", ())),
        }
    )


def load_result(data: Mapping[str, Any]) -> OperationResult:
    return OperationResult(
        **{
            **data,
            "ref": StackRef(**data["ref"]),
            "verb": OperationVerb(data["verb"]),
            "outcome": Outcome(data["outcome"]),
            "started": datetime.fromisoformat(data["started"]),
            "ended": datetime.fromisoformat(data["ended"]),
            "tail": tuple(data["tail"]),
        }
    )


def _load_tag(data: Mapping[str, Any] | None) -> StackTag | None:
    if data is None:
        return None
    times = {key: data[key] and datetime.fromisoformat(data[key]) for key in _TIMES}
    return StackTag(**{**data, **times})


def _default(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} isn't supported in an operation")
