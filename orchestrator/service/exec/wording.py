"""Sentences about commands and jobs in environments."""

from __future__ import annotations

MAX_COMMAND = 200


def ran_command(command: str, in_terminal: bool) -> str:
    shown = command if len(command) <= MAX_COMMAND else f"{command[:MAX_COMMAND]}…"
    return f"ran a command{' in a terminal' if in_terminal else ''}: {shown}"


def nothing_to_run_in(name: str) -> str:
    return f"Nothing of {name} runs that a command could run in. Details: `eph why {name}`."


def exec_unsupported(target: str) -> str:
    return f"The target `{target}` can't run commands inside environments."


def jobs_unsupported(target: str) -> str:
    return f"The target `{target}` has no jobs to run."


def started_job(job: str) -> str:
    return f"ran {job[:MAX_COMMAND]}"


def too_many_commands(limit: int) -> str:
    return f"{limit} commands already run in environments on this server. Wait until one ends."


def no_exec_session(session: str) -> str:
    return f"No command of yours with the session {session[:40]!r} is running."
