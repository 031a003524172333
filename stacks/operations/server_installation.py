"""The stack with what a server needs at a target (O4), in the process that calls it: ``eph self-install``.

It has a store of its own, which no server reads: what all environments share must never be taken for one of them.
"""

from __future__ import annotations

import contextlib
import shutil
import signal
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pulumi import automation
from pulumi.automation import EngineEvent, Stack

from programs.installation import InstallationPlan
from stacks.model import StackRef
from stacks.operations import errors, wording
from stacks.operations.progress import ProgressCollector
from stacks.operations.pulumi_command import OperationCommand
from stacks.operations.stack_selection import open_stack
from stacks.operations.worker_settings import WorkerSettings

PROJECT = "eph-self-install"
_PROVIDERS = "pulumi:providers:"


class InstallationFailed(Exception):
    """With the cause and Pulumi's last lines."""

    def __init__(self, error: str, tail: tuple[str, ...] = ()) -> None:
        super().__init__(error)
        self.error, self.tail = error, tail


@dataclass(frozen=True, slots=True)
class PlannedChange:
    """``action``: Pulumi's word, such as ``create``. ``kind``: Pulumi's type."""

    action: str
    kind: str
    name: str


@dataclass
class ServerInstallation:
    """``target``: names the stack, so that each target has one. ``version``: of the Pulumi CLI."""

    target: str
    installation: InstallationPlan
    settings: WorkerSettings
    version: str
    report: Callable[[str], object] = field(default=lambda _: None)

    @property
    def ref(self) -> StackRef:
        return StackRef(PROJECT, self.target)

    @property
    def exists(self) -> bool:
        return self.settings.backend.exists(self.ref)

    def preview(self) -> list[PlannedChange]:
        """What an ``apply`` would change, in the order of the engine."""
        planned: list[PlannedChange] = []
        with self._running(self.installation.program, lambda _: None) as (stack, progress):
            stack.preview(on_event=lambda event: _collect(event, planned, progress), color="never")
        return planned

    def preview_destroy(self) -> list[PlannedChange]:
        planned: list[PlannedChange] = []
        with self._running(_nothing, lambda _: None) as (stack, progress):
            stack.preview_destroy(on_event=lambda event: _collect(event, planned, progress), color="never")
        return planned

    def apply(self) -> Mapping[str, Any]:
        """Returns the program's outputs."""
        with self._running(self.installation.program, self.report) as (stack, progress):
            stack.up(on_event=progress.on_event, color="never", suppress_progress=True, message=PROJECT)
        return progress.outputs

    def destroy(self) -> None:
        """Removes everything but what the program retains, and the stack's record."""
        with self._running(_nothing, self.report) as (stack, progress):
            stack.destroy(on_event=progress.on_event, color="never", suppress_progress=True, message=PROJECT)
            stack.workspace.remove_stack(self.ref.stack)
        self.settings.backend.forget(self.ref)

    @contextlib.contextmanager
    def _running(
        self, program: automation.PulumiFn, report: Callable[[str], object]
    ) -> Iterator[tuple[Stack, ProgressCollector]]:
        """Creates the stack's record if there is none, without any resource."""
        progress = ProgressCollector(report)
        self.settings.create_folders()
        work = self.settings.work / uuid.uuid4().hex
        work.mkdir(parents=True)
        try:
            if not self.exists:
                self.settings.backend.create(self.ref)
            with _graceful_interrupts(self.report):
                yield self._stack(program, work), progress
        except Exception as error:
            found = errors.explain(error, progress)
            raise InstallationFailed(found.error, found.tail) from error
        finally:
            shutil.rmtree(work, ignore_errors=True)

    def _stack(self, program: automation.PulumiFn, work: Path) -> Stack:
        command = OperationCommand(self.version, on_line=lambda _: None)
        return open_stack(self.ref, program, self.settings, command, work, self.settings.environment())


@contextlib.contextmanager
def _graceful_interrupts(report: Callable[[str], object]) -> Iterator[None]:
    """Ctrl-C reaches Pulumi, too, which finishes the current step and saves the state. The program that it runs is in
    this process, which must therefore stay until Pulumi has ended."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, lambda *_: report(wording.STOPPING))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _nothing() -> None:
    """A destroy runs from the state."""


def _collect(event: EngineEvent, planned: list[PlannedChange], progress: ProgressCollector) -> None:
    """Never raises, like the collector: an exception here would hang the SDK's call."""
    progress.on_event(event)
    with contextlib.suppress(AttributeError, TypeError):
        _collect_change(event, planned)


def _collect_change(event: EngineEvent, planned: list[PlannedChange]) -> None:
    if event.resource_pre_event is None:
        return
    metadata = event.resource_pre_event.metadata
    state = metadata.new or metadata.old
    action = str(metadata.op.value)
    if action == "same" or not state or not state.custom or metadata.type.startswith(_PROVIDERS):
        return
    planned.append(PlannedChange(action, metadata.type, metadata.urn.rpartition("::")[2]))
