"""Help on chat commands, and why one isn't understood."""

from __future__ import annotations

HELP = (
    "up: add the trigger label, or retry",
    "down: remove the trigger label and destroy the environment",
    "retry: retry immediately",
    "extend 24h: postpone the expiry (90m, 24h, 2d)",
    "keep, unkeep: turn expiry off, or on again",
    "sleep: stop it and keep its data; the next visit wakes it",
    "wake: wake it up",
    "restart web: restart this service, or all services if you don't name one",
    "reset-db main: delete all data in this database, then seed and migrate it again",
    "approve: allow the newest commit of a fork to run",
    "logs: show the last lines of the log",
    "why: explain what Eph decided, and why",
)
INVALID_DURATION = "Invalid duration; use a value such as 24h, 90m or 2d"
NO_DURATION = "The duration must be greater than zero"
INVALID_DATABASE = "reset-db takes the name of one database"
INVALID_SERVICE = "restart takes the name of one service; omit it to restart all services"
INVALID_COMMIT = "Invalid commit; use its SHA, at least the first seven digits"


def too_many_commands(limit: int) -> str:
    return f"A comment can contain at most {limit} commands"


def unknown_command(name: str) -> str:
    return f"Unknown command {name[:30]!r}"


def no_argument(command: str) -> str:
    return f"{command} takes no argument"
