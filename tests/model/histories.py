"""Histories: generated from a seed, played to their end, and shrunk when they fail."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from orchestrator.core.model.policy import Policy
from tests.model import steps
from tests.model.steps import STEPS, Step
from tests.worlds.model import model_world
from tests.worlds.model.problems import Problem

LENGTH = 25
History = Sequence[Step]


def random_history(seed: int, number: int, length: int = LENGTH) -> list[Step]:
    chance = random.Random(f"{seed}/{number}")
    kinds = chance.choices(list(STEPS), [weight for weight, _ in STEPS.values()], k=chance.randint(5, length))
    opened = [Step("open", chance.randrange(8), 0) for _ in range(chance.randint(1, 5))]
    return [*opened, *(Step(kind, chance.randrange(8), chance.randrange(8)) for kind in kinds)]


def play(history: History, policy: Policy = model_world.POLICY) -> list[Problem]:
    """What went wrong on the way, or is wrong at the end."""
    with model_world.running_world(policy) as opened:
        for step in history:
            steps.take_step(opened, step)
            if problems := opened.problems_so_far():
                return problems
        return opened.heal_and_settle()


def shrink(history: History, is_failing: Callable[[History], bool]) -> list[Step]:
    """The same history without the steps that it doesn't need to fail."""
    found, size = list(history), max(1, len(history) // 2)
    while True:
        place, before = 0, len(found)
        while place < len(found):
            less = found[:place] + found[place + size :]
            if less and is_failing(less):
                found = less
            else:
                place += size
        if size == 1 and len(found) == before:
            return found
        size = max(1, size // 2)
