"""Tries attacks one after the other, and counts."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum

from tests.attack.arena import Arena
from tests.attack.attack import Attack, NotTried


class Outcome(StrEnum):
    RESISTED = "resisted"
    SUCCEEDED = "SUCCEEDED"
    NOT_TRIED = "not tried"
    BROKEN = "BROKEN"
    """The attack itself failed, so it proves nothing."""


@dataclass(frozen=True, slots=True)
class Result:
    attack: Attack
    outcome: Outcome
    detail: str = ""
    seconds: float = 0.0

    @property
    def is_acceptable(self) -> bool:
        return self.outcome in (Outcome.RESISTED, Outcome.NOT_TRIED)

    def line(self) -> str:
        about = f"{self.outcome:9}  {self.attack.row:3}  {self.attack.family}: {self.attack.name}"
        return f"{about} ({self.seconds:.1f} s)" + (f"\n    {self.detail}" if self.detail else "")


def run_all(attacks: Iterable[Attack], arena: Arena, report: Callable[[str], None]) -> list[Result]:
    results = []
    for attack in attacks:
        began = time.monotonic()
        outcome, detail = _try(attack, arena)
        results.append(Result(attack, outcome, detail, time.monotonic() - began))
        report(results[-1].line())
    return results


def _try(attack: Attack, arena: Arena) -> tuple[Outcome, str]:
    try:
        evidence = attack.run(arena)
    except NotTried as error:
        return (Outcome.NOT_TRIED if error.accepted else Outcome.BROKEN), str(error)
    except Exception:  # noqa: BLE001  # whatever went wrong, the other attacks are still tried
        return Outcome.BROKEN, traceback.format_exc(limit=-3)
    return (Outcome.SUCCEEDED, f"{attack.success}: {evidence[:500]}") if evidence else (Outcome.RESISTED, "")


def summary(results: list[Result]) -> str:
    """The last line of a run."""
    counts = {outcome: sum(1 for result in results if result.outcome is outcome) for outcome in Outcome}
    tried = counts[Outcome.RESISTED] + counts[Outcome.SUCCEEDED]
    more = [
        f"{counts[outcome]} {outcome.lower()}" for outcome in (Outcome.NOT_TRIED, Outcome.BROKEN) if counts[outcome]
    ]
    return ", ".join([f"attack: {tried} tried", f"{counts[Outcome.SUCCEEDED]} succeeded", *more])


def passed(results: list[Result]) -> bool:
    return bool(results) and all(result.is_acceptable for result in results)
