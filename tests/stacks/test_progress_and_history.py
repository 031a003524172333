"""What an operation reports: the engine's events as sentences, errors as a cause, the history as attempts.

Events have the format of Pulumi 3.259. Pitfalls: error classes come from regular expressions over text, and resource
errors all exit with 1; an exception in a callback crashes the reader.
"""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from pulumi.automation import CommandError, CommandResult, EngineEvent
from pulumi.automation.errors import create_command_error

from programs import wording as program_wording
from programs.kit.errors import CommitFailed, TargetError
from stacks import process_identity
from stacks.backends import update_history
from stacks.backends.file import history
from stacks.executors.process import operation_records
from stacks.model import OperationVerb, Outcome, StackRef
from stacks.operations import errors, wording
from stacks.operations.progress import MAX_MESSAGE_LENGTH, ProgressCollector
from stacks.process_identity import ProcessIdentity
from tests.stack_folders import file_backend, process_executor, records_of, worker_settings

WEB = "urn:pulumi:pr-1::eph-shop-9ix::pulumi-python:dynamic/eph:Service::web"
STACK = "urn:pulumi:pr-1::eph-shop-9ix::pulumi:pulumi:Stack::eph-shop-9ix-pr-1"


def read_events(*events: dict[str, Any]) -> tuple[ProgressCollector, list[str]]:
    said: list[str] = []
    progress = ProgressCollector(said.append)
    for number, event in enumerate(events):
        progress.on_event(EngineEvent.from_json({"sequence": number, "timestamp": 1, **event}))
    return progress, said


def resource_event(op: str, urn: str, kind: str = "pulumi-python:dynamic/eph:Service", **more: Any) -> dict[str, Any]:
    return {"metadata": {"op": op, "urn": urn, "type": kind, "provider": "", **more}}


def diagnostic(message: str, urn: str = WEB, severity: str = "error") -> dict[str, Any]:
    return {"diagnosticEvent": {"message": message, "urn": urn, "severity": severity, "color": "never"}}


def test_progress_reads_like_sentences() -> None:
    outputs = {
        "new": {
            "type": "x",
            "urn": STACK,
            "outputs": {"built": {"url": "u"}},
            "id": "",
            "parent": "",
            "inputs": {},
            "provider": "",
        }
    }
    progress, said = read_events(
        {"resourcePreEvent": resource_event("create", STACK, "pulumi:pulumi:Stack")},
        {"resourcePreEvent": resource_event("create", WEB)},
        {"resourcePreEvent": resource_event("same", WEB)},
        {"resourcePreEvent": resource_event("delete-replaced", WEB)},
        {"resOutputsEvent": resource_event("create", STACK, "pulumi:pulumi:Stack", **outputs)},
        diagnostic("warming up", severity="info"),
        diagnostic("noise", severity="debug"),
        {
            "summaryEvent": {
                "maybeCorrupt": False,
                "durationSeconds": 1,
                "resourceChanges": {"create": 2},
                "policyPacks": {},
            }
        },
    )
    assert said == ["creating service web", "deleting the old service web", "warming up"]
    assert (progress.current_step, progress.failed_step) == ("service web", "")
    assert progress.outputs == {"built": {"url": "u"}}
    assert progress.changes == {"create": 2}


def test_the_cause_comes_from_the_resource_that_failed() -> None:
    progress, _ = read_events(
        diagnostic("Exception calling application: the build failed with exit status 2: make\nline one\nline two"),
        {"resOpFailedEvent": {"metadata": resource_event("create", WEB)["metadata"], "status": 1, "steps": 1}},
        diagnostic("update failed", STACK),
    )
    why = errors.explain(_error("error: update failed"), progress)
    assert why.error == "the build failed with exit status 2: make"
    assert why.step == "service web"
    assert why.tail == ("line one", "line two")
    assert why.retryable


def test_an_error_of_the_commit_itself_is_permanent() -> None:
    """L5: the mark is the error's own last line, which output can't imitate."""
    failure = CommitFailed("the build failed with exit status 2: make", ["line one", program_wording.NOT_RETRIED])
    progress, _ = read_events(diagnostic(f"Exception calling application: {failure}"))
    why = errors.explain(_error("error: update failed"), progress)
    assert (why.error, why.retryable) == ("the build failed with exit status 2: make", False)
    assert why.tail == ("| line one", f"| {program_wording.NOT_RETRIED}")
    output = TargetError("the build was killed by signal 9", [program_wording.NOT_RETRIED])
    progress, _ = read_events(diagnostic(f"Exception calling application: {output}"))
    assert errors.explain(_error("error: update failed"), progress).retryable
    assert not errors.explain(failure, read_events()[0]).retryable


@pytest.mark.parametrize(
    ("stderr", "error", "retryable"),
    [
        ("error: get stack: incorrect passphrase", wording.WRONG_PASSPHRASE, False),
        ("error: the stack is currently locked by 1 lock(s).", wording.LOCKED, True),
        ("error: no stack named 'pr-1' found", wording.NO_STACK, True),
        ("warning: x\nerror: disk full\n", "disk full", True),
        ("", "pulumi failed without an error message", True),
    ],
)  # fmt: skip
def test_errors_of_the_command_itself(stderr: str, error: str, retryable: bool) -> None:
    why = errors.explain(_error(stderr), read_events()[0])
    assert (why.error, why.retryable) == (error, retryable)


def test_megabytes_become_sentences() -> None:
    """Neither the result nor the progress grows with a build's output."""
    progress, said = read_events(*[diagnostic("x" * 1_000_000 + "\n" + "y" * 1_000_000) for _ in range(60)])
    why = errors.explain(_error("z" * 1_000_000), progress)
    assert max(map(len, said)) <= MAX_MESSAGE_LENGTH + 3
    assert len(repr(why)) < 20_000
    assert sum(map(len, progress.errors.values())) == 50


def test_events_of_an_unknown_shape_are_ignored() -> None:
    """Never raises: the SDK calls it from its own thread."""
    progress = ProgressCollector(str)
    progress.on_event(cast("EngineEvent", None))
    event = EngineEvent.from_json(
        {
            "sequence": 1,
            "timestamp": 1,
            "diagnosticEvent": {"message": None, "urn": None, "severity": None, "color": ""},
        }
    )
    progress.on_event(event)
    assert progress.errors == {}


def _error(stderr: str) -> CommandError:
    return create_command_error(CommandResult(stdout="", stderr=stderr, code=255))


# --- history

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


def entry(folder: Path, number: int, **changes: Any) -> Path:
    folder.mkdir(exist_ok=True)
    end = int((NOW + timedelta(seconds=number)).timestamp())
    data = {"kind": "update", "message": "eph up abc", "result": "failed", "endTime": end, **changes}
    path = folder / f"pr-1-{1_000 + number}.history.json"
    path.write_text(json.dumps(data))
    path.with_name(f"pr-1-{1_000 + number}.checkpoint.json").write_text("{}")
    return path


def test_history_lists_attempts(tmp_path: Path) -> None:
    entry(tmp_path, 1)
    entry(tmp_path, 2, kind="destroy", message="eph destroy", result="succeeded")
    entry(tmp_path, 3, message="by hand, in a hurry")
    entry(tmp_path, 4).write_text('{"kind": "upd')
    entry(tmp_path, 5, kind="import")
    entry(tmp_path, 6, endTime="x")
    read = history.read(tmp_path)
    assert [(update.verb, update.commit, update.outcome) for update in read] == [
        (OperationVerb.UP, "abc", Outcome.FAILED),
        (OperationVerb.DESTROY, "", Outcome.SUCCEEDED),
        (OperationVerb.UP, "", Outcome.FAILED),
    ]
    assert history.read(tmp_path / "none") == ()


def test_an_interrupted_update_is_marked_once(tmp_path: Path) -> None:
    """Only the newest, only if it ended in this operation, and only if it failed."""
    entry(tmp_path, 1)
    entry(tmp_path, 10)
    history.mark_cancelled(tmp_path, NOW + timedelta(seconds=10.9))
    history.mark_cancelled(tmp_path, NOW + timedelta(seconds=10.9))
    assert [(update.commit, update.outcome) for update in history.read(tmp_path)] == [
        ("abc", Outcome.FAILED),
        ("abc", Outcome.CANCELLED),
    ]
    entry(tmp_path, 20)
    history.mark_cancelled(tmp_path, NOW + timedelta(seconds=30))
    assert history.read(tmp_path)[-1].outcome is Outcome.FAILED
    entry(tmp_path, 40, kind="destroy", message="eph destroy")
    history.mark_cancelled(tmp_path, NOW)
    assert history.read(tmp_path)[-1].outcome is Outcome.CANCELLED
    history.mark_cancelled(tmp_path / "none", NOW)


def test_operation_of_a_killed_process_is_no_failure(tmp_path: Path) -> None:
    """L2, L8: Pulumi recorded a failure while it was killed, and nobody could mark it as interrupted."""
    settings = worker_settings(tmp_path)
    ref = StackRef("eph-shop-1", "pr-1")
    dead = ProcessIdentity(2**22 + 1, 1, "an earlier boot")
    operation_records.write_running(
        records_of(settings),
        operation_records.OperationRecord(ref, OperationVerb.UP, "mark", dead, where=process_identity.pid_scope()),
    )
    backend = file_backend(settings)
    state = backend.root / "stacks" / ref.project / f"{ref.stack}.json"
    state.parent.mkdir(parents=True)
    state.write_text("{}")  # a stack that doesn't exist leaves nothing
    past = backend.history_folder(ref)
    past.parent.mkdir(parents=True)
    entry(past, 0, endTime=int(time.time()) + 1)
    assert process_executor(settings).recover().ended == (ref,)
    assert [update.outcome for update in history.read(past)] == [Outcome.CANCELLED]


def test_history_is_pruned_with_its_checkpoints(tmp_path: Path) -> None:
    """Pitfall: Pulumi never prunes, and each entry comes with a whole checkpoint."""
    for number in range(50):
        entry(tmp_path, number)
    history.prune(tmp_path)
    left = sorted(path.name for path in tmp_path.iterdir())
    assert len(left) == 2 * update_history.MAX_KEPT
    assert left[0] == f"pr-1-{1_000 + 50 - update_history.MAX_KEPT}.checkpoint.json"
    assert len(history.read(tmp_path)) == update_history.MAX_READ
