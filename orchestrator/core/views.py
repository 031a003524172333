"""What people see of an environment, from one value: comment, check run, API, CLI, gateway pages all render this."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from orchestrator.core.model import Key
from orchestrator.core.phases import Phase
from stacks.model import StackRef


@dataclass(frozen=True, slots=True)
class FailureView:
    """What went wrong, for the person who can mend it. ``running_commit`` still answers when it is not empty."""

    commit: str
    step: str
    error: str
    tail: tuple[str, ...]
    at: datetime
    tries: int
    next_try: datetime | None


@dataclass(frozen=True, slots=True)
class EnvironmentView:
    """One environment, wanted or existing. ``commit`` is what runs, ``wanted_commit`` what should.

    ``reasons`` are the sentences of ``eph why``: the facts that led to the phase, most important first.
    ``problems`` are eph.yaml's mistakes with file and line.
    """

    ref: StackRef
    key: Key | None
    repository: str
    name: str
    host: str
    phase: Phase
    reasons: tuple[str, ...]
    url: str = ""
    urls: Mapping[str, str] = field(default_factory=dict)
    target: str = "local"
    title: str = ""
    author: str = ""
    branch: str = ""
    pull_url: str = ""
    commit: str = ""
    wanted_commit: str = ""
    since: datetime | None = None
    ready_at: datetime | None = None
    expires_at: datetime | None = None
    queue_position: int | None = None
    problems: tuple[str, ...] = ()
    failure: FailureView | None = None
    progress: str = ""
    command: str = ""
    """What an operator can type, when the phase is ``held``."""
