"""What people read about commands, the sandbox that they run in, and supervised processes."""

from __future__ import annotations

from pathlib import Path

# --- Commands


def command_failed(title: str, reason: str, seconds: float, command: str) -> str:
    return f"{title} {reason} after {seconds:.1f} s: {command}"


def timed_out(seconds: int) -> str:
    return f"exceeded its timeout of {seconds} s"


def exit_status(status: int) -> str:
    return f"failed with exit status {status}"


def killed(signal: int) -> str:
    return f"was killed by signal {signal}"


def calls_omitted(count: int) -> str:
    return f"    … stack trace continues: {count} lines omitted …"


# --- The sandbox

NO_SANDBOX = (
    "This server doesn't run code of pull requests: bubblewrap can't create its namespaces on this machine. "
    "Install bubblewrap 0.8 or later and allow user namespaces. If all code is trusted, set 'sandbox' to none."
)
VOLUMES_NEED_SANDBOX = "Volumes need the sandbox, but the setting 'sandbox' is none. Remove volumes from eph.yaml."


def ca_file_unreadable(path: str) -> str:
    return f"setting 'ca_file': can't read {path}"


# --- Supervised processes


def no_free_port(first: int, last: int) -> str:
    return f"no free port between {first} and {last}"


def server_not_started(title: str) -> str:
    return f"The {title} didn't start"


def supervisor_not_started(folder: Path) -> str:
    return f"supervisord didn't start in {folder}"


def folder_of_another_user(folder: Path) -> str:
    return f"{folder} belongs to another user. Remove it or choose a shorter root."


def not_stopped(name: str) -> str:
    return f"couldn't stop the process {name}"


def stop_refused(name: str, reason: str) -> str:
    return f"couldn't stop the process {name}: {reason}"


def programs_unreadable(reason: str) -> str:
    return f"supervisord can't read its programs: {reason}"


def refused(reason: str) -> str:
    return f"supervisord refused: {reason}"


def connection_closed(error: Exception) -> str:
    return f"supervisord closed the connection: {error}"


def http_status(status: int) -> str:
    return f"supervisord responded with HTTP {status}"
