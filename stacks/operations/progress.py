"""The engine's events as sentences, and the parts that the result needs: where it failed, why, and the outputs."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pulumi.automation import EngineEvent

from stacks.operations import wording

_STACK_TYPE = "pulumi:pulumi:Stack"
MAX_MESSAGE_LENGTH = 2000
_MAX_ERRORS = 50
_IGNORED = re.compile(r"using pulumi-resource-|attempting to deploy or update resources with")


@dataclass(slots=True)
class ProgressCollector:
    """Collects one operation's events. Never raises: an exception here would hang the SDK's call."""

    report: Callable[[str], object]
    failed_step: str = ""
    """The step that failed."""
    current_step: str = ""
    """The step that started last."""
    errors: dict[str, list[str]] = field(default_factory=dict)
    outputs: Mapping[str, Any] = field(default_factory=dict)
    changes: Mapping[str, int] = field(default_factory=dict)

    def on_event(self, event: EngineEvent) -> None:
        with contextlib.suppress(AttributeError, TypeError, ValueError):  # has a shape that this SDK doesn't know
            self._handle(event)

    def _handle(self, event: EngineEvent) -> None:
        if event.resource_pre_event is not None:
            self._on_resource_start(event.resource_pre_event.metadata)
        elif event.res_outputs_event is not None:
            self._on_resource_outputs(event.res_outputs_event.metadata)
        elif event.res_op_failed_event is not None:
            self.failed_step = _label(event.res_op_failed_event.metadata.urn)
        elif event.diagnostic_event is not None:
            self._on_diagnostic(event.diagnostic_event)
        elif event.summary_event is not None:
            changes = event.summary_event.resource_changes or {}
            self.changes = {str(getattr(key, "value", key)): int(count) for key, count in changes.items()}

    def _on_resource_start(self, metadata: Any) -> None:
        doing = wording.ACTION_LABELS.get(str(metadata.op.value))
        if doing is not None and not _is_internal(metadata.type):
            self.current_step = _label(metadata.urn)
            self.report(f"{doing} {self.current_step}")

    def _on_resource_outputs(self, metadata: Any) -> None:
        if metadata.type == _STACK_TYPE and metadata.new is not None:
            self.outputs = metadata.new.outputs or {}

    def _on_diagnostic(self, diagnostic: Any) -> None:
        message = _truncate(str(diagnostic.message).strip())
        if not message or diagnostic.severity == "debug" or _IGNORED.match(message):
            return
        if diagnostic.severity == "error" and sum(map(len, self.errors.values())) < _MAX_ERRORS:
            self.errors.setdefault(str(diagnostic.urn or ""), []).append(message)
        self.report(message)


def _truncate(text: str) -> str:
    """Shortens a long message but keeps its start and end, because the cause may be at either."""
    half = MAX_MESSAGE_LENGTH // 2
    return text if len(text) <= 2 * half else f"{text[:half]} … {text[-half:]}"


def _is_internal(kind: str) -> bool:
    return kind == _STACK_TYPE or kind.startswith("pulumi:providers:")


def _label(urn: str) -> str:
    """``urn:pulumi:pr-1::eph-x::…$pulumi-python:dynamic/eph:Service::web`` is ``service web``."""
    parts = urn.split("::")
    if len(parts) < 4:
        return urn
    kind = parts[2].rpartition("$")[2].rpartition(":")[2].rpartition("/")[2]
    return f"{kind.lower()} {parts[3]}"
