"""The engine's events as sentences, and what of them the result needs: where it failed, why, and the outputs."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pulumi.automation import EngineEvent

_STACK_TYPE = "pulumi:pulumi:Stack"
_DOING = {
    "create": "creating",
    "create-replacement": "creating the new",
    "update": "updating",
    "delete": "removing",
    "delete-replaced": "removing the old",
    "read": "reading",
    "refresh": "looking at",
}
MOST_CHARACTERS = 2000
_MOST_ERRORS = 50
_NOISE = ("using pulumi-resource-", "attempting to deploy or update resources with")


@dataclass(slots=True)
class Progress:
    """Collects one operation's events. Never raises: an exception here would hang the SDK's call."""

    say: Callable[[str], object]
    step: str = ""
    """What failed."""
    doing: str = ""
    """What was begun last."""
    errors: dict[str, list[str]] = field(default_factory=dict)
    outputs: Mapping[str, Any] = field(default_factory=dict)
    changes: Mapping[str, int] = field(default_factory=dict)

    def on_event(self, event: EngineEvent) -> None:
        with contextlib.suppress(AttributeError, TypeError, ValueError):  # of a shape that this SDK does not know
            self._take(event)

    def _take(self, event: EngineEvent) -> None:
        if event.resource_pre_event is not None:
            self._before(event.resource_pre_event.metadata)
        elif event.res_outputs_event is not None:
            self._after(event.res_outputs_event.metadata)
        elif event.res_op_failed_event is not None:
            self.step = _label(event.res_op_failed_event.metadata.urn)
        elif event.diagnostic_event is not None:
            self._diagnostic(event.diagnostic_event)
        elif event.summary_event is not None:
            changes = event.summary_event.resource_changes or {}
            self.changes = {str(getattr(key, "value", key)): int(count) for key, count in changes.items()}

    def _before(self, metadata: Any) -> None:
        doing = _DOING.get(str(metadata.op.value))
        if doing is not None and not _internal(metadata.type):
            self.doing = _label(metadata.urn)
            self.say(f"{doing} {self.doing}")

    def _after(self, metadata: Any) -> None:
        if metadata.type == _STACK_TYPE and metadata.new is not None:
            self.outputs = metadata.new.outputs or {}

    def _diagnostic(self, diagnostic: Any) -> None:
        message = _bounded(str(diagnostic.message).strip())
        if not message or diagnostic.severity == "debug" or message.startswith(_NOISE):
            return
        if diagnostic.severity == "error" and sum(map(len, self.errors.values())) < _MOST_ERRORS:
            self.errors.setdefault(str(diagnostic.urn or ""), []).append(message)
        self.say(message)


def _bounded(text: str) -> str:
    """A message of megabytes keeps its first and its last words: the cause stands at either end."""
    half = MOST_CHARACTERS // 2
    return text if len(text) <= 2 * half else f"{text[:half]} … {text[-half:]}"


def _internal(kind: str) -> bool:
    return kind == _STACK_TYPE or kind.startswith("pulumi:providers:")


def _label(urn: str) -> str:
    """``urn:pulumi:pr-1::eph-x::…$pulumi-python:dynamic/eph:Service::web`` is ``service web``."""
    parts = urn.split("::")
    if len(parts) < 4:
        return urn
    kind = parts[2].rpartition("$")[2].rpartition(":")[2].rpartition("/")[2]
    return f"{kind.lower()} {parts[3]}"
