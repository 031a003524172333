"""Records of operations and work folders that belong to no operation."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from stacks import names, process_identity, wording
from stacks.executors.process import operation_records
from stacks.model import StackRef, StrayFile
from stacks.operations.worker_settings import OPERATION_ENV
from stacks.stray_files import describe, grandchildren


def find(records: Path, work: Path) -> Iterator[StrayFile]:
    yield from _stale_records(records)
    yield from _work_folders(work)


def _stale_records(records: Path) -> Iterator[StrayFile]:
    for path in grandchildren(records):
        ref = StackRef(path.parent.name, path.name)
        if path.is_dir() and names.parse(ref) is not None:
            yield describe("operation record", path, ref, wording.RECORD_UNUSED)
    for running in operation_records.list_running(records):
        if running.where in ("", process_identity.pid_scope()) and not process_identity.is_alive(running.worker):
            path = operation_records.running_file(records, running)
            yield describe("operation record", path, running.ref, wording.OPERATION_DEAD)


def _work_folders(work: Path) -> Iterator[StrayFile]:
    """Each folder is named after the ID that all processes of its operation carry."""
    for path in sorted(work.iterdir()) if work.is_dir() else ():
        alive = any(True for _ in process_identity.pids_with_variable(OPERATION_ENV, path.name))
        yield describe("work folder", path, None, wording.WORK_UNUSED, in_use=alive)
