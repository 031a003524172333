"""The person's terminal while a command of theirs runs in an environment: raw, and its size is passed on."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator

from orchestrator.cli import wording
from orchestrator.cli.cli_errors import CliError, ExitCode

DEFAULT_TYPE = "xterm"


def is_interactive() -> bool:
    return sys.stdin.isatty() and sys.stdout.isatty()


def request() -> dict[str, object]:
    """What the server needs to know of this terminal. Raises CliError if there is none."""
    if not is_interactive():
        raise CliError(wording.deploys.NO_TERMINAL, wording.deploys.OMIT_TTY, ExitCode.USAGE)
    return {**size(), "type": os.environ.get("TERM") or DEFAULT_TYPE}


def size() -> dict[str, int]:
    """Not ``shutil.get_terminal_size``: a shell's COLUMNS and LINES may be those from before."""
    found = os.get_terminal_size(sys.stdin.fileno())
    return {"rows": max(found.lines, 1), "columns": max(found.columns, 1)}


@contextlib.contextmanager
def raw(on_resize: Callable[[dict[str, int]], None]) -> Iterator[None]:
    """Every key goes to the command, Ctrl-C included. ``on_resize`` is called in a thread. The terminal is as before
    afterwards, however the block ends."""
    import termios
    import tty

    before = termios.tcgetattr(sys.stdin)
    changed = threading.Event()

    def report() -> None:
        while True:
            changed.wait()
            changed.clear()
            with contextlib.suppress(CliError):  # the command has just ended
                on_resize(size())

    handler = signal.signal(signal.SIGWINCH, lambda *_: changed.set())
    threading.Thread(target=report, daemon=True).start()
    try:
        tty.setraw(sys.stdin)
        yield
    finally:
        signal.signal(signal.SIGWINCH, handler)
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)
