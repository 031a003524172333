"""``python -m stacks.worker``: one operation, one process.

It imports everything slow first and prints ``ready``. ephd keeps a few such interpreters waiting, because gRPC doesn't
survive a fork. The first line on standard input is the operation; later lines are control words: ``interrupt`` and
``late`` end it early, ``remove`` lets the record of a destroyed stack be removed and ``keep`` keeps it, and ``lead
TIME`` says that its owner's lease lasts until then, after which it starts nothing. The end of standard input means that
the parent is gone: the operation is cancelled gracefully. Standard output carries JSON lines only; what libraries print
goes to standard error, which the parent writes to the operation's log. The worker leads its own session, so one signal
reaches all of it.

The plugin for dynamic providers is started early, too, and handed over by its port: Pulumi starts our script
``pulumi-resource-pulumi-python``, which prints the port of the waiting one. It exits when its standard input ends, so
none outlives its worker.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import queue
import signal
import sys
import tempfile
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import IO, Any, TextIO

from programs import registry as targets
from programs import steps
from programs.kit import waiting
from programs.redaction import Redactor
from stacks.backends import registry as backends
from stacks.model import Operation, OperationResult, OperationVerb, Outcome
from stacks.operations import dynamic_provider, lifecycle, serialization
from stacks.operations.dynamic_provider import ProviderProcess
from stacks.operations.pulumi_command import MAX_LINE_LENGTH, OperationCommand
from stacks.operations.step_recorder import EVENT_PREFIX, StepRecorder
from stacks.operations.worker_settings import WARM_PROVIDER_PORT_ENV, WARM_TARGETS_ENV, WorkerSettings

CANCEL_GRACE = 4.0
"""Seconds between asking Pulumi to cancel and killing the provider that it waits for."""
REMOVE_TIMEOUT = 30.0
LOG_BYTES = 20_000_000
_PIPE_LINE_BYTES = 256 * 1024


class Worker:
    def __init__(self, control: TextIO, out: TextIO) -> None:
        self._control = control
        self._out = out
        self._output_lock = threading.Lock()
        self._may_remove: queue.Queue[bool] = queue.Queue()
        self._provider: ProviderProcess | None = None
        self._log = _Log(LOG_BYTES)
        self._waits_in_worker = False

    def main(self) -> int:
        self._provider = dynamic_provider.start()
        _import_adapters()
        self.send("ready")
        line = self._control.readline()
        if not line.strip():
            self._kill_provider()
            return 0
        order = json.loads(line)
        operation = serialization.load_operation(order["operation"])
        self._waits_in_worker = operation.verb.skips_pulumi
        self._log.redactor = Redactor(operation.hidden)
        command = OperationCommand(order["version"], on_line=self._log, lease_until=order.get("not_after"))
        threading.Thread(target=self._listen, args=(command,), daemon=True).start()
        recorder = self._recorder(order, operation)
        steps.listen(recorder)
        result = lifecycle.run(operation, self._context(order, operation, command, recorder))
        self._kill_provider()
        self.send("result", result=serialization.dump(_with_failed_step(result, recorder)))
        recorder.close()
        return 0

    def send(self, event: str, **data: Any) -> None:
        with self._output_lock:
            try:
                print(json.dumps({"event": event, **data}), file=self._out, flush=True)
            except (BrokenPipeError, ValueError):
                # The parent is gone; the end of standard input cancels the operation.
                return

    def _recorder(self, order: dict[str, Any], operation: Operation) -> StepRecorder:
        return StepRecorder(
            Path(order.get("steps") or os.devnull),
            self._log.redactor,
            lambda text: self.send("progress", text=self._log.redactor(text)),
            in_background=operation.verb is OperationVerb.WAKE,
        )

    def _context(
        self, order: dict[str, Any], operation: Operation, command: OperationCommand, recorder: StepRecorder
    ) -> lifecycle.OperationContext:
        settings = WorkerSettings.from_json(order["settings"])
        os.environ.update(settings.environment())
        os.environ["PULUMI_PYTHON_CMD"] = sys.executable
        os.environ[WARM_PROVIDER_PORT_ENV] = self._provider_port(recorder)
        # Temporary files of the SDK, Pulumi and its plugins are in the worker's own folder, which is removed with it:
        # the Kubernetes plugin leaves a copy of the kubeconfig each time.
        tempfile.tempdir = os.environ["TMPDIR"] = str(settings.work)
        return lifecycle.OperationContext(
            settings=settings,
            command=command,
            report_progress=recorder.report_progress,
            on_destroyed=lambda: self._confirm_destroyed(operation),
        )

    def _provider_port(self, recorder: StepRecorder) -> str:
        """Empty if it died early: then Pulumi starts one itself."""
        if self._provider is None:
            return ""
        port = self._provider.stdout.readline().decode().strip()
        reader = threading.Thread(target=_read_output, args=(self._provider.stdout, self._log, recorder), daemon=True)
        reader.start()
        return port

    def _confirm_destroyed(self, operation: Operation) -> bool:
        if operation.verb is not OperationVerb.DESTROY:
            return True
        self.send("emptied")
        try:
            return self._may_remove.get(timeout=REMOVE_TIMEOUT)
        except queue.Empty:
            return False

    def _listen(self, command: OperationCommand) -> None:
        """Runs until standard input ends: the parent died, or wants this to end."""
        for line in self._control:
            match line.strip():
                case "remove":
                    self._may_remove.put(True)
                case "keep":
                    self._may_remove.put(False)
                case "interrupt" | "late" as word:
                    self._interrupt(command, timed_out=word == "late")
                case word if word.startswith("lead "):
                    command.extend_lease(float(word.removeprefix("lead ")))
        self._interrupt(command, timed_out=False)

    def _interrupt(self, command: OperationCommand, timed_out: bool) -> None:
        self._may_remove.put(False)
        command.interrupt(timed_out)
        if self._waits_in_worker:  # otherwise Pulumi or its provider is waiting
            waiting.CANCELLED.set()
        if self._provider is not None:
            self._provider.send_signal(signal.SIGTERM)
        threading.Timer(CANCEL_GRACE, self._kill_provider).start()

    def _kill_provider(self) -> None:
        """Pulumi waits for a provider; killing the provider turns that into an error that it can save."""
        if self._provider is not None:
            self._provider.kill()


def _import_adapters() -> None:
    """Imports what reads the installed packages or is large: that would take longer than everything else before an
    operation begins. What can't be imported is reported by the operation that needs it."""
    backends.schemes()
    for name in filter(None, os.environ.get(WARM_TARGETS_ENV, "").split(",")):
        with contextlib.suppress(Exception):
            targets.get(name)


def _with_failed_step(result: OperationResult, recorder: StepRecorder) -> OperationResult:
    """People know the step better than the resource."""
    failed = result.outcome is Outcome.FAILED and recorder.failed_step
    return replace(result, step=recorder.failed_step) if failed else result


def _read_output(stream: IO[bytes], log: Callable[[str], object], recorder: StepRecorder) -> None:
    """Reads a provider's output: steps for people, everything else for the log. If nobody read it, the provider would
    block on a full pipe."""
    for raw in iter(lambda: stream.readline(_PIPE_LINE_BYTES), b""):
        line = raw.decode(errors="replace").rstrip()
        event = steps.parse(line.removeprefix(EVENT_PREFIX)) if line.startswith(EVENT_PREFIX) else None
        if event is not None:
            recorder(event)
        else:
            log(line[:MAX_LINE_LENGTH])


class _Log:
    """Standard error, up to a maximum size, so that endless output can't fill the disk. Never raises, because Pulumi's
    reader calls it. ``redactor`` removes the operation's secrets."""

    def __init__(self, max_bytes: int) -> None:
        self._bytes_left = max_bytes
        self.redactor = Redactor()

    def __call__(self, line: str) -> None:
        if self._bytes_left <= 0:
            return
        line = self.redactor(line)
        self._bytes_left -= len(line) + 1
        with contextlib.suppress(OSError, ValueError):
            sys.stderr.write(line + "\n" if self._bytes_left > 0 else "… truncated\n")


def main() -> int:
    """Keeps the real standard output for the protocol, and gives all other code standard error."""
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    if isinstance(sys.stderr, io.TextIOWrapper):
        sys.stderr.reconfigure(errors="replace", line_buffering=True)
    code = Worker(sys.stdin, out).main()
    # Not a plain return: gRPC's threads may keep an interpreter from exiting.
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    main()
