"""How long the output of builds is kept, and what a follower reads (P1, S3)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from programs.steps import StepEvent, StepEventKind
from stacks.executors.process import operation_records, step_files
from stacks.operations.step_recorder import MAX_BYTES, StepRecorder
from tests.stacks.stack_bench import ref, sha

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
REF = ref(1)


def write(records: Path, minute: int, commit: str, *labels: str) -> Path:
    path = step_files.new_file(records, REF, NOW + timedelta(minutes=minute), sha(commit))
    with path.open("w") as file:
        file.writelines(f"{started(label).to_json()}\n" for label in labels)
    return path


def started(label: str) -> StepEvent:
    return StepEvent(StepEventKind.STARTED, label, 1.0)


def labels_of(records: Path, commit: str = "") -> list[str]:
    return [event.step for event in step_files.read(records, REF, commit and sha(commit), "").events]


def test_the_build_of_a_commit_survives_many_repairs_and_retries(tmp_path: Path) -> None:
    write(tmp_path, 0, "aaaa", "Build")
    for minute in range(1, 30):
        write(tmp_path, minute, "aaaa", f"Start {minute}")
    assert labels_of(tmp_path) == ["Build", "Start 26", "Start 27", "Start 28", "Start 29"]


def test_the_newest_commits_are_kept(tmp_path: Path) -> None:
    for minute in range(20):
        write(tmp_path, minute, f"a{minute:03}", f"Build {minute}")
    assert step_files.commits(tmp_path, REF) == [sha(f"a{minute:03}")[:12] for minute in range(15, 20)]
    assert labels_of(tmp_path) == ["Build 19"]
    assert labels_of(tmp_path, "a016") == ["Build 16"]
    assert labels_of(tmp_path, "a001") == []


def wake(records: Path, minute: int, commit: str) -> None:
    path = step_files.wake_file(records, REF, NOW + timedelta(minutes=minute), sha(commit))
    recorder = StepRecorder(path, str, lambda _: None, in_background=True)
    recorder(started(f"Health check {minute}"))
    recorder.close()
    step_files.delete_old_wakes(records, REF)


def test_wakes_are_kept_with_their_commit_and_push_out_no_build(tmp_path: Path) -> None:
    write(tmp_path, 0, "aaaa", "Build a")
    wake(tmp_path, 1, "aaaa")
    write(tmp_path, 2, "bbbb", "Build b")
    for minute in range(3, 12):
        wake(tmp_path, minute, "bbbb")
    assert labels_of(tmp_path, "bbbb") == ["Build b", *(f"Health check {minute}" for minute in range(7, 12))]
    assert labels_of(tmp_path, "aaaa") == ["Build a"]
    wake(tmp_path, 12, "aaaa")  # the new commit failed, and a visit wakes the previous one
    assert labels_of(tmp_path)[0] == "Build b"
    assert labels_of(tmp_path, "aaaa") == ["Build a", "Health check 12"]
    assert step_files.commits(tmp_path, REF) == [sha("aaaa")[:12], sha("bbbb")[:12]]
    for minute in range(13, 13 + step_files.MAX_COMMITS):
        write(tmp_path, minute, f"c{minute}", "Build")
    assert not [path for path in operation_records.operation_folder(tmp_path, REF).iterdir() if "wake" in path.name]


def test_a_follower_of_steps_sees_a_wake(tmp_path: Path) -> None:
    write(tmp_path, 0, "aaaa", "Build")
    page = step_files.read(tmp_path, REF, "", "")
    wake(tmp_path, 1, "aaaa")
    page = step_files.read(tmp_path, REF, "", page.position)
    assert [event.step for event in page.events] == ["Health check 1"]


def test_operation_without_steps_hides_nothing(tmp_path: Path) -> None:
    """An update that only changes a tag writes no file."""
    write(tmp_path, 0, "aaaa", "Build")
    step_files.new_file(tmp_path, REF, NOW + timedelta(minutes=1), sha("bbbb"))
    assert labels_of(tmp_path) == ["Build"]


def test_a_follower_reads_each_event_once_across_operations_and_kills(tmp_path: Path) -> None:
    path = write(tmp_path, 0, "aaaa", "Checkout")
    with path.open("a") as file:
        file.write('{"kind":"start')  # the worker is in the middle of a line
    page = step_files.read(tmp_path, REF, "", "")
    assert [event.step for event in page.events] == ["Checkout"]
    with path.open("a") as file:
        file.write('ed","step":"Build","at":2}\n')
    page = step_files.read(tmp_path, REF, "", page.position)
    assert [event.step for event in page.events] == ["Build"]
    write(tmp_path, 1, "bbbb", "Checkout")
    page = step_files.read(tmp_path, REF, "", page.position)
    assert ([event.step for event in page.events], page.commit) == (["Checkout"], sha("bbbb")[:12])
    assert step_files.read(tmp_path, REF, "", page.position).events == ()
    operation_records.delete(tmp_path, REF)
    assert step_files.read(tmp_path, REF, "", page.position).events == ()


def test_the_recorder_redacts_limits_and_reports_the_current_step(tmp_path: Path) -> None:
    """S4: no secret of the server and no password of a database is in what people read."""
    told: list[str] = []
    path = tmp_path / "one.steps"
    recorder = StepRecorder(path, lambda text: text.replace("s3cret", "***"), told.append)
    recorder.report_progress("creating command build")
    recorder(started("Build"))
    recorder.report_progress("creating service web")
    recorder(StepEvent(StepEventKind.LINES, "Build", 1.0, ("key s3cret", "postgres://app:hunter2@db/app")))
    for _ in range(200):
        recorder(StepEvent(StepEventKind.LINES, "Build", 1.0, ("x" * 60_000,)))
    recorder(StepEvent(StepEventKind.ENDED, "Build", 2.0, seconds=1.0, ok=False))
    recorder.report_progress("creating seed")
    assert told == ["creating command build", "Build", "creating seed"]
    assert recorder.failed_step == "Build"
    text = path.read_text()
    assert ("s3cret" in text, "hunter2" in text, '"ended"' in text) == (False, False, True)
    assert path.stat().st_size < MAX_BYTES + 100_000


def test_a_recorder_that_cannot_write_stops_nothing(tmp_path: Path) -> None:
    """L8: a full disk loses output, never the operation."""
    recorder = StepRecorder(tmp_path / "missing" / "one.steps", str, lambda _: None)
    recorder(started("Build"))
