"""What all parts of the in-memory service share: environments, their events, and who requested what."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from orchestrator.core.views.environment_views import EnvironmentView, display_name
from orchestrator.core.views.phases import Phase
from orchestrator.ledger.port import Event
from orchestrator.service import wording
from orchestrator.service.port import EnvironmentNotFound, RefusalReason, RequestRefused
from stacks import keys
from stacks.model import StackRef

START = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)


def sample(
    number: int, phase: Phase = Phase.READY, repository: str = "demo/shop", at: datetime = START
) -> EnvironmentView:
    """A complete, realistic view of pull request ``number``."""
    owner, _, short = repository.partition("/")
    name = f"{short}-gentle-stream-{number}"
    running = phase in (Phase.READY, Phase.UPDATING, Phase.UNHEALTHY)
    commit = f"{number:02x}" * 20
    return EnvironmentView(
        ref=StackRef(f"eph-{short}-9ix", f"pr-{number}"),
        key=keys.pull_request(sum(owner.encode()), number),
        repository=repository,
        name=name,
        host=f"{name}.localhost",
        phase=phase,
        reasons=(f"The pull request #{number} is open and has the label preview.", f"It is {phase.value}."),
        url=f"http://{name}.localhost:8080" if running else "",
        urls={"web": f"http://{name}.localhost:8080"} if running else {},
        title=f"Change number {number}",
        author="ada",
        branch=f"feature-{number}",
        pull_url=f"https://git.example.com/{repository}/pull/{number}",
        commit=commit if running else "",
        wanted_commit=commit,
        since=at - timedelta(minutes=number),
        ready_at=at - timedelta(minutes=number) if running else None,
        expires_at=at + timedelta(hours=72),
    )


class FakeEnvironments:
    """``calls`` contains every request with its author."""

    def __init__(self, *views: EnvironmentView, clock: Callable[[], datetime] = lambda: START) -> None:
        self.views = {str(view.ref): view for view in views}
        self.log: list[Event] = []
        self.calls: list[tuple[str, ...]] = []
        self.refusal = ""
        self.clock = clock

    def put_environment(self, view: EnvironmentView) -> None:
        self.views[str(view.ref)] = view

    def add_event(self, kind: str, message: str = "", name: str = "", actor: str = "eph") -> None:
        subject = str(self._find(name).ref) if name else ""
        self.log.append(Event(kind, self.clock(), subject, message, actor, {}, len(self.log) + 1))

    def _record_call(self, verb: str, name: str, by: str, phase: Phase | None, *more: str) -> EnvironmentView:
        view = self._find(name)
        if self.refusal:
            raise RequestRefused(RefusalReason.FORGE_ERROR, self.refusal)
        self.calls.append((verb, view.name, by, *more))
        if phase is not None:
            view = replace(view, phase=phase)
            self.put_environment(view)
        self.add_event(f"environment.{verb}", f"{by} requested {verb}.", view.name, by)
        return view

    def _find(self, name: str) -> EnvironmentView:
        for view in self.views.values():
            if name in (view.name, str(view.ref)) or name == display_name(view):
                return view
        raise EnvironmentNotFound(wording.not_found(name))
