"""Operations and results as JSON, for the protocol between ephd and a worker."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from programs.spec import EnvironmentSpec
from stacks import keys
from stacks.model import Operation, OperationResult, OperationVerb, Outcome, StackRef, StackTag

_TIMES = ("seen", "extended_until", "asleep", "awake_until")


def dump(value: Operation | OperationResult) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(value), default=_default))
    if isinstance(value, Operation) and value.tag is not None:
        del data["tag"]["key"]
        data["tag"] |= {"repository": value.tag.key.repository, "number": keys.to_number(value.tag.key)}
    return data


def load_operation(data: Mapping[str, Any]) -> Operation:
    return Operation(
        **{
            **data,
            "ref": StackRef(**data["ref"]),
            "verb": OperationVerb(data["verb"]),
            "tag": _load_tag(data["tag"]),
            "spec": None if data["spec"] is None else EnvironmentSpec.from_json(data["spec"]),
            "hidden": tuple(data.get("hidden", ())),
            "resets": tuple(data.get("resets", ())),
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
    facts = {name: value for name, value in data.items() if name not in ("repository", "number")}
    times = {name: data[name] and datetime.fromisoformat(data[name]) for name in _TIMES}
    return StackTag(**{**facts, **times, "key": keys.from_number(data["repository"], data["number"])})


def _default(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} isn't supported in an operation")
