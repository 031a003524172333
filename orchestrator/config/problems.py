"""Errors in untrusted text, as values: where, what, and what was expected.

A message repeats at most 80 characters of user input, with unprintable characters escaped, because it ends up in
comments, logs and terminals.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from orchestrator.config import wording
from orchestrator.core.model.world import RecipeError

MAX_PROBLEMS = 50


@dataclass(frozen=True, slots=True)
class Problem:
    """One error. ``line`` and ``column`` count from 1; ``expected`` says what to write instead."""

    file: str
    line: int
    column: int
    message: str
    expected: str = ""

    def __str__(self) -> str:
        end = f"; {self.expected}" if self.expected else ""
        return f"{self.file}:{self.line}:{self.column}: {self.message}{end}"


class InvalidConfig(Exception):
    """The file is invalid. Contains all problems in the order of the file, at most 50."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        ordered = sorted(dict.fromkeys(problems), key=lambda item: (item.line, item.column))
        self.problems = tuple(ordered[:MAX_PROBLEMS])
        self.omitted = len(ordered) - len(self.problems)
        super().__init__("\n".join(self.lines()))

    def lines(self) -> tuple[str, ...]:
        """One sentence per problem, ready to print."""
        more = (wording.settings.more_problems(self.omitted),) if self.omitted else ()
        return (*(str(problem) for problem in self.problems), *more)

    def as_recipe_error(self, labels: frozenset[str]) -> RecipeError:
        return RecipeError(problems=self.lines(), labels=labels)


class InvalidSettings(Exception):
    """The settings are invalid: one sentence per problem, with its variable, line or option."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(problems))
