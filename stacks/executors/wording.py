"""What people read about executors, whatever runs the operations."""

from __future__ import annotations

ALREADY_RUNNING = "another operation on this stack is running"
INTERRUPTED_BEFORE_START = "interrupted before it started"


def unknown_executor(name: str) -> str:
    return f"unknown executor {name}"


def installed_executors(names: str) -> str:
    return f"installed executors: {names}"
