"""What a new leader makes of operations that other replicas recorded: ended where they are proven dead, waited for
where they are not, never touched where nothing can be proven (O2, L8)."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from stacks import others, processes, records
from stacks.model import Verb
from stacks.places import OPERATION_MARK, Places
from stacks.pool import Pool
from stacks.processes import Identity
from stacks.records import Running
from tests.stacks.benches import ref

DEAD = Identity(1 << 30, 1, "another boot")


class Town:
    """Replicas and workers, as processes that sleep."""

    def __init__(self, folder: Path) -> None:
        self.places = Places(*(folder / name for name in ("backend", "work", "operations", "home", "pass")))
        self.places.prepare()
        self._started: list[subprocess.Popen[bytes]] = []

    def process(self, mark: str = "") -> Identity:
        words = [sys.executable, "-IS", "-c", "import time; time.sleep(600)"]
        env = {**os.environ, OPERATION_MARK: mark}
        self._started.append(subprocess.Popen(words, start_new_session=True, env=env))
        found = processes.identify(self._started[-1].pid)
        assert found
        return found

    def kill(self, identity: Identity) -> None:
        with suppress(ProcessLookupError):
            os.kill(identity.pid, signal.SIGKILL)
        next(each for each in self._started if each.pid == identity.pid).wait()

    def recorded(self, number: int = 1, **more: object) -> Running:
        far = processes.running_clock() + 600
        made = Running(ref(number), Verb.UP, f"mark{number}", self.process(), self.process(), processes.here())
        usual = {"until": far, "commit": "aaaa", "started": "2026-11-21T06:00:00+00:00"}
        made = replace(made, **{**usual, **more})
        records.write_running(self.places, made)
        return made

    def close(self) -> None:
        for each in self._started:
            each.kill()
            each.wait()


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    made = Town(tmp_path)
    yield made
    made.close()


def test_a_living_one_of_a_living_owner_is_waited_for(town: Town) -> None:
    left = town.recorded()
    assert others.settle(town.places, alone=False) == others.Settled((), (left,))
    assert processes.alive(left.worker)


def test_that_of_a_dead_owner_is_ended(town: Town) -> None:
    left = town.recorded()
    assert left.owner
    town.kill(left.owner)
    assert others.settle(town.places, alone=False).ended == (ref(1),)
    town.kill(left.worker)
    assert list(records.running(town.places)) == []


def test_a_dead_worker_s_owner_may_be_stopped_and_cannot_tidy_up(town: Town) -> None:
    left = town.recorded()
    town.kill(left.worker)
    assert others.settle(town.places, alone=False) == others.Settled((ref(1),), ())
    assert not records.in_use(town.places, ref(1))


def test_one_that_is_past_its_deadline_is_ended_by_force(town: Town) -> None:
    left = town.recorded(until=processes.running_clock() - 1)
    assert others.settle(town.places, alone=False).ended == (ref(1),)
    town.kill(left.worker)  # reaps it: settle has killed it
    assert not processes.alive(left.worker)


def test_of_another_machine_nothing_is_proven(town: Town) -> None:
    """Not even by a pid that is free here."""
    left = town.recorded(where="elsewhere pid:[1]", worker=DEAD, owner=DEAD)
    assert others.settle(town.places, alone=False) == others.Settled((), (left,))


def test_one_s_own_is_nobody_else_s(town: Town) -> None:
    town.recorded(owner=processes.identify(os.getpid()))
    assert others.settle(town.places, alone=False) == others.Settled()
    assert others.settle(town.places, alone=True) == others.Settled()


def test_who_is_alone_ends_whatever_it_did_not_begin(town: Town) -> None:
    left = town.recorded(where="a container of yesterday")
    assert others.settle(town.places, alone=True).ended == (ref(1),)
    assert psutil.Process(left.worker.pid).status() == psutil.STATUS_ZOMBIE, "it was ended, and is ours to bury"
    town.kill(left.worker)


def test_the_record_of_another_is_never_taken_for_one_s_own(town: Town) -> None:
    """A leader that was stopped at the end of its operation wakes when another works on that stack."""
    late, now = town.recorded(), replace(town.recorded(), operation="another")
    records.write_running(town.places, now)
    assert records.in_use(town.places, ref(1), besides=late)
    records.clear_running(town.places, late)
    assert list(records.running(town.places)) == [now]


def test_a_record_of_a_version_before_replicas_is_read(town: Town) -> None:
    left = town.recorded()
    path = records.running_file(town.places, left)
    old = f'{{"ref": {{"project": "{ref(1).project}", "stack": "pr-1"}}, "verb": "up", "operation": "m", '
    (path.parent / "running.json").write_text(old + '"worker": {"pid": 7, "started": 1, "boot": "b"}}')
    assert len(list(records.running(town.places))) == 2
    assert others.settle(town.places, alone=True).ended == (ref(1), ref(1))
    assert list(path.parent.iterdir()) == []


def test_a_replica_that_starts_leaves_the_folder_of_what_still_ends(town: Town) -> None:
    """Its earlier life was killed, and another replica leads."""
    for name in ("ending", "over"):
        (town.places.work / name).mkdir()
    town.process("ending")
    Pool(town.places, "3.259.0").tidy()
    assert [path.name for path in town.places.work.iterdir()] == ["ending"]
    Pool(town.places, "3.259.0").recover()
    assert list(town.places.work.iterdir()) == []
