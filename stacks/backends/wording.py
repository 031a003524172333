"""What people read about a backend, its stacks and their locks."""

from __future__ import annotations

from datetime import datetime

UNKNOWN_OWNER = "an unknown owner"


def lock_owner(pid: int, user: str, host: str, since: datetime) -> str:
    return f"process {pid} of {user} on {host} since {since:%Y-%m-%d %H:%M:%S} UTC"


def stack_locked(owner: str, ref: object) -> str:
    return (
        f"the stack is locked by {owner}, which may still be running; "
        f"if it isn't: pulumi cancel --yes --stack organization/{ref}"
    )


def state_unreadable(kind: str, detail: str) -> str:
    return f"its state can't be read ({kind}: {detail})"


def unknown_backend(scheme: str) -> str:
    return f"unknown backend {scheme}"


def installed_backends(names: str) -> str:
    return f"installed backends: {names}"
