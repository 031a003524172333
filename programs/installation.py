"""What a server of Eph needs at a target before its first environment (O4): a program that people see, with what it
allows and what it costs, before anything is created. It runs once for each server, not for environments."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from pydantic import BaseModel, ConfigDict

from programs.costs import CostEstimate


class InstallationOptions(BaseModel):
    """What the operator decides. Each field has a description; one without a default is required."""

    model_config = ConfigDict(extra="forbid", frozen=True)


@dataclass(frozen=True, slots=True)
class Permission:
    """``what``: a group of rights that Eph gets, such as a service's name. ``why``: what it does with them."""

    what: str
    why: str


@dataclass(frozen=True, slots=True)
class InstallationPlan:
    """``cost``: of what is created, without environments. ``configuration``: the program's output with the server's
    settings, as text; empty if there is none. ``place``: where it is created, for people."""

    place: str
    program: Callable[[], None]
    permissions: tuple[Permission, ...]
    cost: CostEstimate = field(default_factory=CostEstimate)
    configuration: str = ""
