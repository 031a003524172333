"""What a new leader does with operations that other replicas recorded: killed if proven dead, waited for if not, never
touched if nothing can be proven (O2, L8)."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
import pytest

from stacks import process_identity
from stacks.executors.port import Recovery, RemoteOperation
from stacks.executors.process import operation_records, recovery
from stacks.executors.process.operation_records import OperationRecord
from stacks.model import OperationVerb
from stacks.operations.worker_settings import OPERATION_ENV
from stacks.process_identity import ProcessIdentity
from tests.stack_folders import process_executor, records_of, worker_settings
from tests.stacks.stack_bench import ref

DEAD = ProcessIdentity(1 << 30, 1, "another boot")


class ProcessSetup:
    """Replicas and workers, as processes that sleep."""

    def __init__(self, folder: Path) -> None:
        self.settings = worker_settings(folder)
        self.settings.create_folders()
        self.records, self.backend = records_of(self.settings), self.settings.backend
        self._started: list[subprocess.Popen[bytes]] = []

    def process(self, mark: str = "") -> ProcessIdentity:
        words = [sys.executable, "-IS", "-c", "import time; time.sleep(600)"]
        env = {**os.environ, OPERATION_ENV: mark}
        self._started.append(subprocess.Popen(words, start_new_session=True, env=env))
        found = process_identity.identify(self._started[-1].pid)
        assert found
        return found

    def kill(self, identity: ProcessIdentity) -> None:
        with suppress(ProcessLookupError):
            os.kill(identity.pid, signal.SIGKILL)
        next(each for each in self._started if each.pid == identity.pid).wait()

    def record_running(self, number: int = 1, **more: Any) -> OperationRecord:
        far = process_identity.boot_clock() + 600
        made = OperationRecord(
            ref(number), OperationVerb.UP, f"mark{number}", self.process(), self.process(), process_identity.pid_scope()
        )
        usual: dict[str, Any] = {"until": far, "commit": "aaaa", "started": "2026-11-21T06:00:00+00:00"}
        made = replace(made, **{**usual, **more})
        operation_records.write_running(self.records, made)
        return made

    def close(self) -> None:
        for each in self._started:
            each.kill()
            each.wait()


def remote(record: OperationRecord) -> RemoteOperation:
    """As the port describes it."""
    identity = f"process {record.worker.pid} on {record.where.split()[0]}"
    return RemoteOperation(record.ref, record.verb, "aaaa", datetime(2026, 11, 21, 6, 0, tzinfo=UTC), identity)


@pytest.fixture
def setup(tmp_path: Path) -> Iterator[ProcessSetup]:
    made = ProcessSetup(tmp_path)
    yield made
    made.close()


def test_live_operation_of_a_live_owner_is_awaited(setup: ProcessSetup) -> None:
    left = setup.record_running()
    assert recovery.recover(setup.records, setup.backend, exclusive=False) == Recovery((), (remote(left),))
    assert process_identity.is_alive(left.worker)


def test_operation_of_a_dead_owner_is_ended(setup: ProcessSetup) -> None:
    left = setup.record_running()
    assert left.owner
    setup.kill(left.owner)
    assert recovery.recover(setup.records, setup.backend, exclusive=False).ended == (ref(1),)
    setup.kill(left.worker)
    assert list(operation_records.list_running(setup.records)) == []


def test_nothing_stays_of_an_operation_that_was_killed_before_its_stack_existed(setup: ProcessSetup) -> None:
    """L2: a label deploy is requested by its stack alone, so nothing else would delete its log."""
    for number, exists in ((1, False), (2, True)):
        left = setup.record_running(number)
        operation_records.new_log(setup.records, left.ref, "up").write_text("Creating\n")
        if exists:
            setup.backend.create(left.ref)
        setup.kill(left.worker)
    assert set(recovery.recover(setup.records, setup.backend, exclusive=True).ended) == {ref(1), ref(2)}
    assert not operation_records.operation_folder(setup.records, ref(1)).exists()
    assert operation_records.newest_log(setup.records, ref(2)) is not None, "its stack exists, and so does its log"


def test_dead_workers_owner_may_be_paused_and_cannot_clean_up(setup: ProcessSetup) -> None:
    left = setup.record_running()
    setup.kill(left.worker)
    assert recovery.recover(setup.records, setup.backend, exclusive=False) == Recovery((ref(1),), ())
    assert not operation_records.has_running(setup.records, ref(1))


def test_operation_past_its_deadline_is_killed(setup: ProcessSetup) -> None:
    left = setup.record_running(until=process_identity.boot_clock() - 1)
    assert recovery.recover(setup.records, setup.backend, exclusive=False).ended == (ref(1),)
    setup.kill(left.worker)  # reaps it: recover has killed it
    assert not process_identity.is_alive(left.worker)


def test_operation_on_another_machine_is_not_proven_dead(setup: ProcessSetup) -> None:
    """Not even by a pid that is free here."""
    left = setup.record_running(where="elsewhere pid:[1]", worker=DEAD, owner=DEAD)
    assert recovery.recover(setup.records, setup.backend, exclusive=False) == Recovery((), (remote(left),))


def test_own_operations_are_left_alone(setup: ProcessSetup) -> None:
    setup.record_running(owner=process_identity.identify(os.getpid()))
    assert recovery.recover(setup.records, setup.backend, exclusive=False) == Recovery()
    assert recovery.recover(setup.records, setup.backend, exclusive=True) == Recovery()


def test_single_replica_ends_unknown_operations(setup: ProcessSetup) -> None:
    left = setup.record_running(where="a container of yesterday")
    assert recovery.recover(setup.records, setup.backend, exclusive=True).ended == (ref(1),)
    assert psutil.Process(left.worker.pid).status() == psutil.STATUS_ZOMBIE, "it was ended, and is ours to bury"
    setup.kill(left.worker)


def test_foreign_record_is_never_mistaken_for_our_own(setup: ProcessSetup) -> None:
    """A leader that was paused at the end of its operation resumes when another works on that stack."""
    late, now = setup.record_running(), replace(setup.record_running(), operation="another")
    operation_records.write_running(setup.records, now)
    assert operation_records.has_running(setup.records, ref(1), excluding=late)
    operation_records.delete_running(setup.records, late)
    assert list(operation_records.list_running(setup.records)) == [now]


def test_record_of_a_version_before_replicas_is_read(setup: ProcessSetup) -> None:
    left = setup.record_running()
    path = operation_records.running_file(setup.records, left)
    old = f'{{"ref": {{"project": "{ref(1).project}", "stack": "pr-1"}}, "verb": "up", "operation": "m", '
    (path.parent / "running.json").write_text(old + '"worker": {"pid": 7, "started": 1, "boot": "b"}}')
    assert len(list(operation_records.list_running(setup.records))) == 2
    assert recovery.recover(setup.records, setup.backend, exclusive=True).ended == (ref(1), ref(1))
    assert not path.parent.exists()


async def test_starting_replica_keeps_folders_of_operations_that_still_run(setup: ProcessSetup) -> None:
    """Its earlier process was killed, and another replica leads."""
    for name in ("ending", "over"):
        (setup.settings.work / name).mkdir()
    setup.process("ending")
    executor = process_executor(setup.settings, lease_until=lambda: 0.0)
    await executor.open()
    await executor.close()
    assert [path.name for path in setup.settings.work.iterdir()] == ["ending"]
    process_executor(setup.settings).recover()
    assert list(setup.settings.work.iterdir()) == []
