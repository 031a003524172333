"""Sentences about changes that people request in an environment: restarts, variables, databases."""

from __future__ import annotations

from collections.abc import Iterable

# --- Restarts


def nothing_to_restart(name: str) -> str:
    return f"Nothing of {name} runs that could be restarted. Details: `eph why {name}`."


def asleep(name: str) -> str:
    return f"{name} is asleep. Wake it with `eph wake {name}`."


def busy(name: str) -> str:
    return f"An operation is running on {name}. Try again when it has ended: `eph watch {name}`."


def restart_unsupported(target: str) -> str:
    return f"The target `{target}` can't restart services."


def restarted(services: Iterable[str]) -> str:
    return f"restarted {', '.join(services)}"


def restart_reply(name: str, services: Iterable[str]) -> str:
    return f"Restarted {', '.join(services)} of {name}."
