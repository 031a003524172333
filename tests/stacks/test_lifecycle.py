"""Operations with the real Pulumi and a tiny target: what they cost, what they leave, what they never reveal.

Pitfalls, section one: each test names its own.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import time
from dataclasses import replace
from pathlib import Path

import pytest

from stacks.executors.process import operation_records
from stacks.model import Outcome, StackRef
from stacks.operations import wording
from tests.stack_folders import records_of
from tests.stacks.probe_target import SECRET
from tests.stacks.stack_bench import RealBench, record_of, ref, run_operation, sha, start_operation

pytestmark = pytest.mark.real


async def test_first_up_starts_at_most_three_processes_and_an_update_two(real: RealBench) -> None:
    """Budget and pitfall '10 processes where 2 would do', counted by the pulumi on PATH, not by us. P9, O3 (file): a
    person sees pr-N under the repository's project. Afterwards nothing is left: no backup, tag, lock, history, log,
    temporary folder, nor a stack selected in PULUMI_HOME (pulumi #8186)."""
    old = real.factory.tag(1, "ffff", keep=True, incarnation="before")
    real.backend.write_tag(ref(1), old)  # an earlier stack's, that survived it
    result = await run_operation(real, real.factory.up(1, "aaaa"))
    assert result.outcome is Outcome.SUCCEEDED
    tag = record_of(real, 1).tag
    assert tag is not None
    assert (tag.keep, tag.commit, tag.incarnation != "before") == (False, sha("aaaa"), True)
    assert 1 <= len(real.pulumi_commands()) <= 3
    assert result.pulumi_processes == len(real.pulumi_commands())

    before = len(real.pulumi_commands())
    await run_operation(real, real.factory.up(1, "bbbb"))
    assert 1 <= len(real.pulumi_commands()) - before <= 2
    assert real.created_files() == {"shop-probe-1/web": sha("bbbb")}

    listed = json.loads(real.pulumi("stack", "ls", "--all", "--json"))
    assert [stack["name"] for stack in listed] == ["organization/eph-shop-9ix/pr-1"]

    real.backend.root.joinpath("backups/eph-shop-9ix/pr-1").mkdir(parents=True)
    assert (await run_operation(real, real.factory.destroy(1))).outcome is Outcome.SUCCEEDED
    assert real.created_files() == {}
    assert real.remaining_files() == []
    assert not (real.settings.pulumi_home / "workspaces").exists()
    kept = {path.name for path in real.backend.folder.glob(".pulumi/*/*")}
    assert "eph-shop-9ix" not in kept


@pytest.mark.long
async def test_a_destroy_first_ends_the_serving(real: RealBench) -> None:
    """M5: before Pulumi has started, and again in each attempt."""
    await run_operation(real, real.factory.up(1, "aaaa"))
    assert (await run_operation(real, real.factory.destroy(1))).outcome is Outcome.SUCCEEDED
    journal = (real.target / "journal").read_text().splitlines()
    words = [line.partition(" shop")[0] for line in journal]
    assert words.index("stop serving") == words.index("delete") - 1


@pytest.mark.long
async def test_secret_is_only_in_the_encrypted_state(real: RealBench) -> None:
    """S4 and pitfall 'outputs return secrets in plaintext': not in progress, result, log, last result or store."""
    told: list[str] = []
    result = await run_operation(real, real.factory.up(1, "aaaa"), told)
    assert result.outcome is Outcome.SUCCEEDED
    assert SECRET not in repr(result) + "\n".join(told)
    read = _texts(real.records) | _texts(real.backend.folder) | _texts(real.settings.work)
    assert any(path.suffix == ".log" for path in read)
    assert any(path.name == "last.json" for path in read)
    assert [path for path, text in read.items() if SECRET in text] == []
    state = real.backend.state_file(ref(1)).read_text()
    assert len(state) < 30_000, "a pickled provider lies in the state of each resource: keep it small"


@pytest.mark.long
async def test_two_concurrent_stacks_of_one_project_one_with_much_output(real: RealBench) -> None:
    """L6; pitfalls: programs in one process share globals, and a byte that isn't UTF-8 or ten megabytes on one line
    crash the SDK's reader and the call never returns."""
    noise = b"\xff\xfe no utf-8 \n" + b"x" * 10_000_000 + b"\n"
    real.control_file("noise", 1).write_bytes(noise)
    real.fail(2, "first line\n" + "y" * 10_000_000)
    told: list[str] = []
    loud, wordy = await asyncio.gather(
        run_operation(real, real.factory.up(1, "aaaa")), run_operation(real, real.factory.up(2, "bbbb"), told)
    )
    assert loud.outcome is Outcome.SUCCEEDED
    assert wordy.outcome is Outcome.FAILED
    assert "first line" in wordy.error
    assert wordy.step == "Start web"
    assert max(map(len, [*told, wordy.error, *wordy.tail])) < 10_000
    assert set(real.snapshot().stacks) == {ref(1), ref(2)}
    sizes = [path.stat().st_size for path in real.records.rglob("*.log")]
    assert max(sizes) < 60_000_000


@pytest.mark.long
async def test_missed_deadline_is_a_failure(real: RealBench) -> None:
    """Pitfall 'no timeout and no handle on the child process' (pulumi #9103): it ends gracefully as a failed attempt,
    even if a provider doesn't react: it is killed, and Pulumi saves that as an error."""
    began = time.monotonic()
    await run_operation(real, real.factory.up(1, "aaaa"))
    deadline = round(2 * (time.monotonic() - began))  # on a machine of any speed, it is working on the resource by then
    real.control_file("hold", 1).write_text("stubborn")
    result = await run_operation(real, real.factory.up(1, "bbbb", deadline=float(deadline)))
    assert (result.outcome, result.error) == (Outcome.FAILED, wording.deadline_exceeded(deadline))
    assert result.step == "part web"
    after = record_of(real, 1)
    assert after.locks == ()
    assert (after.history[-1].commit, after.history[-1].outcome) == (sha("bbbb"), Outcome.FAILED)


@pytest.mark.long
async def test_lock_owners(real: RealBench) -> None:
    """L8 and pitfall 'break a lock only when its owner is ours and proven dead': another host's lock stays and is
    reported with a command; one whose pid was reused is broken, and the operation continues."""
    await run_operation(real, real.factory.up(1, "aaaa"))
    folder = real.backend.lock_folder(ref(1))
    folder.mkdir(parents=True, exist_ok=True)
    far = _lock(folder / "far.json", "another-host", 1)
    before = len(real.pulumi_commands())
    refused = await run_operation(real, real.factory.up(1, "bbbb"))
    assert refused.outcome is Outcome.FAILED
    assert "process 1 of ann on another-host since 2001-01-01 00:00:00 UTC" in refused.error
    assert f"pulumi cancel --yes --stack organization/{ref(1)}" in refused.error
    assert far.exists()
    assert len(real.pulumi_commands()) == before
    far.unlink()
    reused = _lock(folder / "reused.json", socket.gethostname(), os.getpid())
    told: list[str] = []
    assert (await run_operation(real, real.factory.up(1, "bbbb"), told)).outcome is Outcome.SUCCEEDED
    assert not reused.exists()
    assert any(f"(pid {os.getpid()}, taken " in line for line in told)


async def test_wrong_key_is_reported_clearly(real: RealBench) -> None:
    """Pitfall 'error classes come from regular expressions over text': one sentence, and no retry that can't help."""
    await run_operation(real, real.factory.up(1, "aaaa"))
    real.settings.passphrase_file.write_text("another passphrase")
    result = await run_operation(real, real.factory.up(1, "bbbb"))
    assert result.outcome is Outcome.FAILED
    assert result.error == wording.WRONG_PASSPHRASE
    assert not result.retryable
    assert real.created_files() == {"shop-probe-1/web": sha("aaaa")}


@pytest.mark.long
async def test_shell_variables_for_another_pulumi_are_ignored(real: RealBench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Variables of the operator's shell don't reach our stacks; a foreign stack in our store is counted, never listed,
    never touched."""
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "the shell's")
    monkeypatch.setenv("PULUMI_DIY_BACKEND_GZIP", "true")
    foreign = real.backend.state_file(StackRef("payroll", "production"))
    foreign.parent.mkdir(parents=True)
    foreign.write_text('{"version": 3, "checkpoint": {"stack": "organization/payroll/production"}}')
    lane = start_operation(real, real.factory.up(1, "aaaa"))
    result = await lane.wait()
    assert (result.outcome, result.error) == (Outcome.SUCCEEDED, "")
    assert set(real.snapshot().stacks) == {ref(1)}
    assert real.snapshot().foreign_count == 1
    monkeypatch.delenv("PULUMI_CONFIG_PASSPHRASE")
    assert (await run_operation(real, real.factory.destroy(1))).outcome is Outcome.SUCCEEDED
    assert foreign.exists()


async def test_failing_program_and_missing_target(real: RealBench) -> None:
    """One sentence, and the last lines of output; the last result is read back completely."""
    twice = await run_operation(real, real.factory.up(1, "aaaa", ("web", "web")))
    assert twice.outcome is Outcome.FAILED
    assert "web" in " ".join([twice.error, *twice.tail])
    unknown = await run_operation(real, real.factory.up(1, "aaaa", target="cloud"))
    assert "Unknown target 'cloud'" in unknown.error
    assert operation_records.last_results(real.records) == {ref(1): unknown}
    log = operation_records.newest_log(real.records, ref(1))
    assert log is not None
    assert log.name.endswith("-up.log")


def _lock(path: Path, host: str, pid: int) -> Path:
    path.write_text(json.dumps({"pid": pid, "username": "ann", "hostname": host, "timestamp": "2001-01-01T00:00:00Z"}))
    return path


def _texts(folder: Path) -> dict[Path, str]:
    return {path: path.read_text(errors="replace") for path in folder.rglob("*") if path.is_file()}


@pytest.mark.long
async def test_failed_destroy_keeps_the_record(real: RealBench) -> None:
    """L7, pitfall 6: what couldn't be removed stays on record, and is removed by the next attempt."""
    await run_operation(real, real.factory.up(1, "aaaa"))
    stays = real.control_file("undeletable", 1)
    stays.write_text("a namespace hangs")
    result = await run_operation(real, real.factory.destroy(1))
    assert (result.outcome, result.error) == (Outcome.FAILED, "a namespace hangs")
    assert record_of(real, 1).resource_count == 1
    stays.unlink()
    assert (await run_operation(real, real.factory.destroy(1))).outcome is Outcome.SUCCEEDED
    assert real.remaining_files() == []


@pytest.mark.long
async def test_state_truncated_by_a_full_disk_in_the_first_up_is_recreated(real: RealBench) -> None:
    """L8; Pulumi replaces the whole state with what was written before the disk was full. Found by chaos."""
    backend = real.backend
    for number in (1, 2):
        backend.create(ref(number))
        backend.state_file(ref(number)).write_text('{"version": 3, "check')
    told: list[str] = []
    made = await run_operation(real, replace(real.factory.up(1, "aaaa"), refresh=True), told)
    assert made.outcome is Outcome.SUCCEEDED, made.error
    assert wording.STATE_TRUNCATED in told
    gone = await run_operation(real, replace(real.factory.destroy(2), refresh=True))
    assert gone.outcome is Outcome.SUCCEEDED, gone.error
    assert set(real.snapshot().stacks) == {ref(1)}


async def test_failing_cleanup_changes_no_result(real: RealBench) -> None:
    """L2: the backend fails again when what the operation left is removed. The result still says what the operation
    met, and no record of a running operation stays."""
    project = real.backend.state_file(ref(1)).parent
    project.parent.mkdir(parents=True, exist_ok=True)
    project.write_text("a file in place of the project's folder")
    with pytest.raises(NotADirectoryError):
        real.backend.clean_up(ref(1))
    result = await run_operation(real, real.factory.retag(1, "aaaa"))
    assert result.outcome is Outcome.FAILED
    assert result.error.startswith("LookupError")
    assert not operation_records.has_running(records_of(real.settings), ref(1))
