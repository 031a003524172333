"""What happens in a run, and when: pure, so that a seed repeats it.

Each step of history is followed closely by faults, because what breaks is what is under way. A step names no pull
request and no process: it carries a number between 0 and 1 that picks one of those there are when its time comes.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass

SECONDS = 12.0
MIN_FAULTS = 8

HISTORY = {
    "open": 4,
    "push": 4,
    "force_push": 2,
    "label": 2,
    "unlabel": 2,
    "draft": 1,
    "undraft": 1,
    "close": 2,
    "reopen": 2,
    "merge": 1,
    "delete_branch": 1,
    "rename": 1,
    "transfer": 1,
    "conflict": 1,
    "same_commit": 1,
    "deploy": 5,
    "deploy_copy": 2,
    "deploy_short": 2,
    "visit": 7,
    "undeploy": 1,
}
"""How often each happens, in proportion."""
DEPLOYS = frozenset({"deploy", "deploy_copy", "deploy_short", "visit", "undeploy"})
"""Steps of developers who deploy under labels; the others happen at the Git host."""

FAULTS = {
    "kill_ephd": 4,
    "kill_worker": 3,
    "kill_pulumi": 3,
    "kill_provider": 2,
    "kill_supervisord": 1,
    "kill_postgres": 1,
    "kill_app": 1,
    "kill_gateway": 1,
    "pause_worker": 2,
    "forge_500": 1,
    "forge_403": 1,
    "forge_404": 1,
    "forge_429": 1,
    "forge_cut": 1,
    "forge_empty": 2,
    "forge_half": 1,
    "forge_hang": 1,
    "forge_killed": 1,
    "hooks_lost": 1,
    "hooks_doubled": 1,
    "hooks_reordered": 1,
    "hook_forged": 1,
    "lock_of_a_dead_one": 1,
    "lock_of_a_reused_pid": 1,
    "lock_of_another_host": 1,
    "lock_cut": 1,
    "state_cut": 1,
    "tag_cut": 1,
    "tag_lost": 1,
    "disk_full_state": 1,
    "disk_full_ledger": 1,
    "clock_jump": 2,
}
KILLS = frozenset({"kill_ephd", "kill_worker", "kill_pulumi", "kill_supervisord", "kill_gateway"})
"""What a deploy and its cold requests depend on."""


@dataclass(frozen=True, slots=True)
class Step:
    """``at``: seconds after the start. ``pick`` chooses among what there is; ``size`` says how long, how many."""

    at: float
    kind: str
    pick: float
    size: float

    @property
    def is_fault(self) -> bool:
        return self.kind in FAULTS


def schedule(seed: int, run: int, faults: Mapping[str, int] = FAULTS, seconds: float = SECONDS) -> tuple[Step, ...]:
    """In the order of time. The first two open pull requests in both repositories, and one is a deploy, so that there
    is something."""
    chance = random.Random(f"{seed}/{run}")
    steps = [_step(chance, 0.0, "open"), _step(chance, 0.1, "open"), _step(chance, 0.2, "deploy")]
    at = 0.6
    while at < seconds:
        steps += _burst(chance, at, faults)
        at += chance.uniform(0.6, 1.8)
    while sum(step.is_fault for step in steps) < MIN_FAULTS + 2:
        steps.append(_step(chance, chance.uniform(1.0, seconds), _choose(chance, faults)))
    return tuple(sorted(steps, key=lambda step: step.at))


def _burst(chance: random.Random, at: float, faults: Mapping[str, int]) -> list[Step]:
    """Something happens, and while Eph is at it, something breaks, at times twice. Of a deploy and of a cold request,
    most is done within a second, by processes that can be killed."""
    times, kind = range(chance.choice((0, 1, 1, 1, 2))), _choose(chance, HISTORY)
    delay = 2.5
    if kind in DEPLOYS and chance.random() < (0.7 if kind == "visit" else 0.3):
        delay, faults = 0.8, {name: weight for name, weight in faults.items() if name in KILLS} or faults
    return [
        _step(chance, at, kind),
        *(_step(chance, at + chance.uniform(0.1, delay), _choose(chance, faults)) for _ in times),
    ]


def _choose(chance: random.Random, kinds: Mapping[str, int]) -> str:
    return chance.choices(list(kinds), list(kinds.values()))[0]


def _step(chance: random.Random, at: float, kind: str) -> Step:
    return Step(round(at, 2), kind, chance.random(), chance.random())
