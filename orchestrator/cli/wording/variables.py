"""The command ``eph env``."""

from __future__ import annotations

from collections.abc import Iterable


def none_set(name: str) -> str:
    return f"No variables are set for {name}. Those of eph.yaml apply."


def changed(name: str, set_names: Iterable[str], unset_names: Iterable[str]) -> str:
    parts = [(word, list(names)) for word, names in (("Set", set_names), ("Unset", unset_names))]
    done = ". ".join(f"{word} {', '.join(names)}" for word, names in parts if names)
    return f"{done}. An update applies it. Progress: eph logs {name} --follow"


def not_a_pair(text: str) -> str:
    return f"{text!r} is not of the form NAME=VALUE"


USE_PAIR = "Use NAME=VALUE, NAME=- to enter the value or read it from standard input, or --from-file NAME=PATH."
NOTHING_TO_SET = "say which variable to set"
ONE_STANDARD_INPUT = "only one value can come from standard input"
SET_ONE_BY_ONE = "Set the others with another command, or with --from-file."


def file_unreadable(path: str, reason: str) -> str:
    return f"{path} can't be read: {reason}"


def prompt(variable: str) -> str:
    return f"Value of {variable}"


USE_TEXT_FILE = "Use a text file in UTF-8."
IN_HISTORY = (
    "Values on the command line may stay in your shell's history. Use NAME=- to enter the value of a secret instead."
)
EMPTY_INPUT = "standard input contains no value"
EMPTY_HINT = "To set an empty value, use NAME= without a value."
