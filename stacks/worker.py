"""``python -m stacks.worker``: one operation, one process.

It imports everything slow first and says ``ready``; ephd keeps a few such interpreters waiting, because gRPC does not
survive a fork. One line on standard input is the operation, later lines are words of control: ``interrupt`` and
``late`` end it early, ``remove`` lets the record of a destroyed stack go and ``keep`` does not, and ``lead TIME`` says
that its owner leads until then: later it starts nothing, whatever its owner could say. The end of standard input means
that the parent is gone: the operation cancels gracefully. Standard output carries JSON lines only; what libraries print
goes to standard error, which the parent puts into the operation's log. The worker leads its own session, so that one
signal reaches all of it.

The plugin for dynamic providers is started early too, and handed over by its port: Pulumi starts our script
``pulumi-resource-pulumi-python``, which answers with the port of the one that waits. It ends when its standard input
does, so that none outlives its worker.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import sys
import tempfile
import threading
from collections.abc import Callable
from typing import IO, Any, TextIO

from programs.concealing import Veil
from programs.local import waiting
from stacks import lifecycle, provider, wire
from stacks.command import LONGEST_LINE, OperationCommand
from stacks.model import Operation, Verb
from stacks.places import WARM_PROVIDER, Places
from stacks.provider import Provider

GRACE = 4.0
"""Seconds between asking Pulumi to cancel and ending the provider that keeps it waiting."""
REMOVE_WAIT = 30.0
LOG_BYTES = 20_000_000


class Worker:
    def __init__(self, control: TextIO, out: TextIO) -> None:
        self._control = control
        self._out = out
        self._saying = threading.Lock()
        self._may_remove: queue.Queue[bool] = queue.Queue()
        self._provider: Provider | None = None
        self._log = _Log(LOG_BYTES)
        self._waits_itself = False

    def main(self) -> int:
        self._provider = provider.start()
        self.say("ready")
        line = self._control.readline()
        if not line.strip():
            self._end_provider()
            return 0
        order = json.loads(line)
        operation = wire.operation(order["operation"])
        self._waits_itself = operation.verb.is_light
        self._log.veil = Veil(operation.hidden)
        command = OperationCommand(order["version"], on_line=self._log, not_after=order.get("not_after"))
        threading.Thread(target=self._listen, args=(command,), daemon=True).start()
        result = lifecycle.run(operation, self._surroundings(order, operation, command))
        self._end_provider()
        self.say("result", result=wire.dump(result))
        return 0

    def say(self, event: str, **data: Any) -> None:
        with self._saying:
            try:
                print(json.dumps({"event": event, **data}), file=self._out, flush=True)
            except (BrokenPipeError, ValueError):
                # The parent is gone; the operation is cancelled by the end of standard input.
                return

    def _surroundings(
        self, order: dict[str, Any], operation: Operation, command: OperationCommand
    ) -> lifecycle.Surroundings:
        places = Places.from_json(order["places"])
        os.environ.update(places.environment())
        os.environ["PULUMI_PYTHON_CMD"] = sys.executable
        os.environ[WARM_PROVIDER] = self._port()
        # What the SDK, Pulumi and its plugins make and forget lies in the worker's own folder, which goes with it: the
        # plugin for Kubernetes leaves a copy of the kubeconfig each time.
        tempfile.tempdir = os.environ["TMPDIR"] = str(places.work)
        return lifecycle.Surroundings(
            places=places,
            command=command,
            say=lambda text: self.say("progress", text=self._log.veil(text)),
            emptied=lambda: self._emptied(operation),
        )

    def _port(self) -> str:
        """Empty when it died early: then Pulumi starts one itself."""
        if self._provider is None:
            return ""
        port = self._provider.stdout.readline().decode().strip()
        threading.Thread(target=_drain, args=(self._provider.stdout, self._log), daemon=True).start()
        return port

    def _emptied(self, operation: Operation) -> bool:
        if operation.verb is not Verb.DESTROY:
            return True
        self.say("emptied")
        try:
            return self._may_remove.get(timeout=REMOVE_WAIT)
        except queue.Empty:
            return False

    def _listen(self, command: OperationCommand) -> None:
        """Runs until standard input ends, which is the parent's death or its word that this must end."""
        for line in self._control:
            match line.strip():
                case "remove":
                    self._may_remove.put(True)
                case "keep":
                    self._may_remove.put(False)
                case "interrupt" | "late" as word:
                    self._interrupt(command, late=word == "late")
                case word if word.startswith("lead "):
                    command.lead(float(word.removeprefix("lead ")))
        self._interrupt(command, late=False)

    def _interrupt(self, command: OperationCommand, late: bool) -> None:
        self._may_remove.put(False)
        command.interrupt(late)
        if self._waits_itself:  # else it is Pulumi, or its provider, that waits
            waiting.CANCELLED.set()
        if self._provider is not None:
            self._provider.send(signal.SIGTERM)
        threading.Timer(GRACE, self._end_provider).start()

    def _end_provider(self) -> None:
        """Pulumi waits for what a provider is doing; ending the provider turns that into an error it can save."""
        if self._provider is not None:
            self._provider.end()


def _drain(stream: IO[bytes], log: Callable[[str], object]) -> None:
    """What a provider prints goes to the log; were it not read, the provider would stop at a full pipe."""
    for raw in iter(lambda: stream.readline(LONGEST_LINE), b""):
        log(raw.decode(errors="replace").rstrip())


class _Log:
    """Standard error, up to a size: what prints without end fills no disk. Never raises: Pulumi's reader calls it.
    ``veil`` takes out what the operation hides."""

    def __init__(self, room: int) -> None:
        self._room = room
        self.veil = Veil()

    def __call__(self, line: str) -> None:
        if self._room <= 0:
            return
        line = self.veil(line)
        self._room -= len(line) + 1
        with contextlib.suppress(OSError, ValueError):
            sys.stderr.write(line + "\n" if self._room > 0 else "… the rest is left out\n")


def main() -> int:
    """Keeps the real standard output for the protocol, and gives everybody else standard error."""
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    sys.stderr.reconfigure(errors="replace", line_buffering=True)  # type: ignore[union-attr]  # a text stream
    code = Worker(sys.stdin, out).main()
    # Not a plain return: gRPC's threads may keep an interpreter from ending.
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    main()
