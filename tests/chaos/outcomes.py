"""How a run ended, as a value that goes from the process that played it to the one that counts."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict, dataclass, field, fields

KINDS = ("leaks", "lost", "stuck", "overlaps", "secrets")


@dataclass(frozen=True, slots=True)
class Problem:
    kind: str
    text: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.text}"


@dataclass(slots=True)
class Outcome:
    """``seconds`` are those on the wall, ``fair`` those in which the machine had room (``machine.FairTime``);
    ``calm_after`` is how long, in those, the quiet had to last until everything was right."""

    seed: int
    run: int
    faults: Counter[str] = field(default_factory=Counter)
    history: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    fair: float = 0.0
    calm_after: float = 0.0
    retried: int = 0
    restarts: int = 0
    operations: int = 0
    visits: int = 0
    """Requests to label deploys while things broke."""
    deploys: int = 0
    """Label deploys at the end."""
    problems: list[Problem] = field(default_factory=list)
    kept: str = ""
    story: list[str] = field(default_factory=list)

    def dump(self) -> str:
        plain = {one.name: getattr(self, one.name) for one in fields(self)}
        return json.dumps({**plain, "problems": [asdict(problem) for problem in self.problems]})


def load(text: str) -> Outcome:
    data = json.loads(text)
    data["problems"] = [Problem(**problem) for problem in data["problems"]]
    return Outcome(**{**data, "faults": Counter(data["faults"]), "history": Counter(data["history"])})


def run_line(outcome: Outcome) -> str:
    end = f"quiet for {outcome.calm_after:.1f} s" if not outcome.problems else f"WRONG, logs in {outcome.kept}"
    return (
        f"run {outcome.run} of seed {outcome.seed}: {outcome.faults.total()} faults, {outcome.operations} pulumi "
        f"processes, {outcome.restarts} restarts, {outcome.retried} asked again, {outcome.seconds:.0f} s "
        f"({outcome.fair:.0f} s fair), {end}"
    )


def summary_lines(done: list[Outcome]) -> list[str]:
    """What was done, for people; the last line is the verdict."""
    if not done:
        return [summary(done)]
    count = len(done)
    fair, wall = [outcome.fair for outcome in done], [outcome.seconds for outcome in done]
    calm = sorted(outcome.calm_after for outcome in done)
    return [
        f"history: {_count_list(sum((outcome.history for outcome in done), Counter()))}",
        f"faults: {_count_list(sum((outcome.faults for outcome in done), Counter()))}; "
        f"{min(outcome.faults.total() for outcome in done)} in a run at least",
        f"seconds of a run: {sum(wall) / count:.0f} on average, {max(wall):.0f} at most; where the machine had room "
        f"for it {sum(fair) / count:.0f} and {max(fair):.0f}",
        f"seconds of quiet until all was right: {calm[count // 2]:.1f} in the middle, {calm[-1]:.1f} at most",
        f"pulumi processes: {sum(outcome.operations for outcome in done)}; ephd started again: "
        f"{sum(outcome.restarts for outcome in done)}; requests to label deploys: "
        f"{sum(outcome.visits for outcome in done)}; label deploys at the end: "
        f"{sum(outcome.deploys for outcome in done)}",
        summary(done),
    ]


def summary(done: list[Outcome]) -> str:
    counts = Counter(problem.kind for outcome in done for problem in outcome.problems)
    told = ", ".join(f"{kind} {counts[kind]}" for kind in KINDS)
    return f"chaos: {len(done)} runs, {sum(outcome.faults.total() for outcome in done)} faults, {told}"


def _count_list(counts: Counter[str]) -> str:
    return ", ".join(f"{kind} {number}" for kind, number in counts.most_common())
