"""What a project's run would change, as the runner reported it, and whether a person must approve that.

The report comes from the sandbox: only its shape is checked here. Approval prevents mistakes. It can't stop code that
already runs with the environment's credentials while the plan is computed.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from programs.targets.program import wording

MAX_SHOWN = 20
MAX_NAME = 200
_OPERATIONS = ("create", "update", "replace", "delete")
_LOSES_DATA = ("replace", "delete", "create-replacement", "delete-replaced")


@dataclass(frozen=True, slots=True)
class PlannedStep:
    op: str
    type: str
    name: str


@dataclass(frozen=True, slots=True)
class ProjectPlan:
    changes: Mapping[str, int]
    steps: tuple[PlannedStep, ...]

    @property
    def summary(self) -> str:
        return wording.changes(self.changes)

    def lines(self) -> list[str]:
        shown = [wording.step(item.op, item.type, item.name) for item in self.steps[:MAX_SHOWN]]
        more = len(self.steps) - MAX_SHOWN
        return [*shown, *([wording.more_steps(more)] if more > 0 else [])]


def parse(data: Mapping[str, Any]) -> ProjectPlan:
    changes, steps = data.get("changes"), data.get("steps")
    counted = changes if isinstance(changes, dict) else {}
    listed = steps if isinstance(steps, list) else []
    return ProjectPlan(
        {name: counted[name] for name in _OPERATIONS if isinstance(counted.get(name), int) and counted[name] > 0},
        tuple(_step(item) for item in listed if isinstance(item, dict)),
    )


def reason_to_ask(plan: ProjectPlan, first: bool, replacements: bool, stateful: Iterable[str]) -> str:
    """Why a person must approve the plan; empty if nobody must."""
    if first and plan.changes:
        return wording.first_apply()
    lost = [item.name for item in plan.steps if item.op in _LOSES_DATA and _matches(item.type, stateful)]
    return wording.replaces(sorted(set(lost))[:MAX_SHOWN]) if replacements and lost else ""


def _matches(kind: str, globs: Iterable[str]) -> bool:
    return any(fnmatch.fnmatchcase(kind, glob) for glob in globs)


def _step(data: Mapping[str, Any]) -> PlannedStep:
    op, kind, name = (_text(data.get(key)) for key in ("op", "type", "name"))
    return PlannedStep(op, kind, name)


def _text(value: object) -> str:
    return "".join(character for character in str(value or "")[:MAX_NAME] if character.isprintable())
