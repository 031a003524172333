"""Commands and jobs of environments: what refuses them, what is recorded, and that they run. Rows: T5, P11, S1."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, cast

import pytest

from orchestrator.core.views.phases import Phase
from orchestrator.ledger.event_kinds import EventKind
from orchestrator.ledger.fake import MemoryLedger
from orchestrator.runtime.operations.journal import Journal
from orchestrator.service.exec.exec_launcher import ExecLauncher
from orchestrator.service.exec.exec_port import ExecEnded, ExecOutput
from orchestrator.service.exec.exec_sessions import ExecSessions
from orchestrator.service.fake import sample
from orchestrator.service.port import RefusalReason, RequestRefused
from programs.exec_requests import ExecRequest, ExecUnavailable, JobRequest
from programs.registry import Target

NOW = datetime(2026, 11, 29, tzinfo=UTC)


class JobTarget:
    """Its jobs are commands that print what they were given. It runs no other commands."""

    def job_command(self, name: str, settings: Mapping[str, str], request: JobRequest) -> list[str]:
        if request.job == "gone":
            raise ExecUnavailable("There is no job gone.")
        return ["/bin/echo", name, settings["root"], request.job, request.parameters]


def launcher(ledger: MemoryLedger, target: object) -> ExecLauncher:
    return ExecLauncher(
        ExecSessions(str, timeout=20),
        Journal(ledger, lambda: NOW),
        lambda _: cast(Target, target),
        {"local": {"root": "/place"}},
        lambda text: text.replace("secret", "***"),
    )


async def texts(events: Any) -> list[object]:
    found = [event async for event in events]
    return [event.text if isinstance(event, ExecOutput) else event for event in found[1:]]


async def test_a_job_runs_with_the_targets_settings_and_is_recorded() -> None:
    ledger, view = MemoryLedger(), sample(42, Phase.READY)
    found = await texts(launcher(ledger, JobTarget()).run_job(view, JobRequest("orders-secret", '{"a": 1}'), "ada"))
    assert found == [f'{view.name} /place orders-secret {{"a": 1}}\n', ExecEnded(0)]
    [event] = ledger.events("", 0, 10)
    assert (event.kind, event.actor, event.subject) == (EventKind.JOB_STARTED, "ada", str(view.ref))
    assert "secret" not in event.message


@pytest.mark.parametrize("phase", [Phase.DESTROYING, Phase.DESTROYED, Phase.EXPIRED])
async def test_an_environment_that_ends_runs_nothing_any_more(phase: Phase) -> None:
    ledger, view = MemoryLedger(), sample(42, phase)
    with pytest.raises(RequestRefused) as caught:
        await anext(launcher(ledger, JobTarget()).run_job(view, JobRequest("orders"), "ada"))
    assert caught.value.reason is RefusalReason.JOB_UNAVAILABLE
    with pytest.raises(RequestRefused) as caught:
        await anext(launcher(ledger, JobTarget()).run_command(view, ExecRequest(("ls",)), "ada"))
    assert caught.value.reason is RefusalReason.EXEC_UNAVAILABLE
    assert ledger.events("", 0, 10) == []


async def test_a_target_without_jobs_and_a_job_that_does_not_exist_are_refused() -> None:
    ledger, view = MemoryLedger(), sample(42, Phase.READY)
    for target, job in ((object(), "orders"), (JobTarget(), "gone")):
        with pytest.raises(RequestRefused) as caught:
            await anext(launcher(ledger, target).run_job(view, JobRequest(job), "ada"))
        assert caught.value.reason is RefusalReason.JOB_UNAVAILABLE
    with pytest.raises(RequestRefused) as caught:
        await anext(launcher(ledger, JobTarget()).run_command(view, ExecRequest(("ls",)), "ada"))
    assert caught.value.reason is RefusalReason.EXEC_UNAVAILABLE
    assert ledger.events("", 0, 10) == []
