"""What an attack is: a function that tries something, and returns the evidence if it succeeded."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from tests.attack.arena import Arena


class Missing(StrEnum):
    """What a machine may lack. An attack that needs it counts as not tried, and the run still passes."""

    CONTROL_GROUPS = "this machine lets nobody create control groups, so memory isn't bounded for an environment"
    USERS = "Eph doesn't run as root, so environments have no users of their own"


class NotTried(Exception):
    """Raised by an attack that couldn't be tried. Without one of the accepted reasons, the run fails."""

    def __init__(self, reason: Missing | str) -> None:
        super().__init__(str(reason))
        self.accepted = isinstance(reason, Missing)


T = TypeVar("T")
Try = Callable[["Arena"], str]


@dataclass(frozen=True, slots=True)
class Attack:
    """``name`` says what it tries, ``success`` what it would have achieved. ``pattern`` is the name without its case.
    ``is_slow`` leaves it out of the short form."""

    family: str
    pattern: str
    name: str
    row: str
    success: str
    run: Try
    is_slow: bool = False


@dataclass(slots=True)
class Family:
    """The attacks of one module, in order."""

    name: str
    attacks: list[Attack] = field(default_factory=list)

    def attack(self, row: str, name: str, success: str, is_slow: bool = False) -> Callable[[Try], Try]:
        """Registers a function as one attack."""

        def register(run: Try) -> Try:
            self.attacks.append(Attack(self.name, name, name, row, success, run, is_slow))
            return run

        return register

    def each(
        self, row: str, name: str, success: str, cases: Mapping[str, T]
    ) -> Callable[[Callable[[Arena, T], str]], Callable[[Arena, T], str]]:
        """Registers a function once for each case; ``{}`` in the name is the case's key."""

        def register(run: Callable[[Arena, T], str]) -> Callable[[Arena, T], str]:
            for key, case in cases.items():
                full = name.format(key)
                self.attacks.append(Attack(self.name, name, full, row, success, _with_case(run, case)))
            return run

        return register


def _with_case(run: Callable[[Arena, T], str], case: T) -> Try:
    return lambda arena: run(arena, case)
