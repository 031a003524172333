"""Replies to chat commands."""

from __future__ import annotations

from datetime import datetime

from orchestrator.core.util.formatting import format_time


def no_environment(pull_request: str) -> str:
    return f"This {pull_request} has no environment. Comment /eph up to create one."


RETRYING_NOW = "Retrying now."
COMMANDS = "Commands, one per line:"
OPERATION_LOG = "Log of the last operation:"


def invalid_command(reason: str) -> str:
    return f"{reason}. Commands:"


def retrying(name: str) -> str:
    return f"Retrying {name} now."


def destroying(name: str) -> str:
    return f"Destroying {name}. Comment /eph up to recreate it."


def kept(name: str, keep: bool) -> str:
    return f"{name} won't expire." if keep else f"{name} can expire again."


def falling_asleep(name: str) -> str:
    return f"Putting {name} to sleep. The next visit or /eph wake wakes it."


def waking(name: str, asleep: bool) -> str:
    return f"{name} is waking up." if asleep else f"{name} is already awake and stays awake for a while."


def explanation(name: str, phase: str) -> str:
    return f"{name} is {phase}:"


def label_added(label: str) -> str:
    return f"Added the label {label}. The environment is created in the next cycle."


def extended(name: str, until: datetime | None) -> str:
    limit = f" to {format_time(until)} (or the latest time this server allows)" if until else ""
    return f"Postponed the expiry of {name}{limit}."


def approve_newest(head: str, named: str) -> str:
    return f"The newest commit is {head[:7]}, not {named[:7]}. Review it, then approve that commit."


def approved(head: str) -> str:
    return f"Commit {head[:7]} is approved. Each push needs a new approval."


def latest_logs(name: str) -> str:
    return f"Latest log lines from {name}:"


def no_logs(name: str) -> str:
    return f"{name} has no log output yet."
