"""A file backend and a process executor in a folder, for tests that need real ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from stacks.backends.file.file_backend import FileBackend
from stacks.executors.port import ExecutorSettings
from stacks.executors.process import operation_records
from stacks.executors.process.process_executor import ProcessExecutor
from stacks.executors.process.worker_protocol import DEFAULT_TIMING, SessionTiming
from stacks.model import Operation, StackRef
from stacks.operations.worker_settings import WorkerSettings


def worker_settings(folder: Path, **changes: Any) -> WorkerSettings:
    usual: dict[str, Any] = {name: folder / name for name in ("work", "pulumi_home", "passphrase_file")}
    return WorkerSettings(**{"backend": FileBackend(folder / "backend"), **usual, **changes})


def records_of(settings: WorkerSettings) -> Path:
    return settings.work.parent / "operations"


def operation_folder(settings: WorkerSettings, ref: StackRef) -> Path:
    return operation_records.operation_folder(records_of(settings), ref)


def process_executor(
    settings: WorkerSettings, version: str = "3.0.0", timing: SessionTiming = DEFAULT_TIMING, **changes: Any
) -> ProcessExecutor:
    """A warm worker would cost each test a process."""
    usual: dict[str, Any] = {"records": records_of(settings), "warm_workers": 0}
    return ProcessExecutor(ExecutorSettings(worker=settings, version=version, **{**usual, **changes}), timing)


def file_backend(settings: WorkerSettings) -> FileBackend:
    assert isinstance(settings.backend, FileBackend)
    return settings.backend


async def allow_removal(_: Operation) -> bool:
    return True
