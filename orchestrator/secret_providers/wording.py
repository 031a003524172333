"""What people read about references to secrets, and about files and variables that contain them. Each other provider
has its own wording module."""

from __future__ import annotations


def unknown_provider(name: str, installed: str) -> str:
    return f"Unknown secret provider {name}. Installed: {installed}."


# --- References


def not_a_reference(quoted: str) -> str:
    return f"{quoted} is not a reference to a secret"


def use_a_value_such_as(example: str) -> str:
    return f"use a value such as {example}"


def no_such_key(secret: str) -> str:
    return f"{secret} has no such key; add the key or use another one"


def not_text(secret: str) -> str:
    return f"{secret} is not text; store it as a string"


# --- Reading


def missing(secret: str) -> str:
    return f"{secret} doesn't exist or is deleted; create it"


def provider_down(secret: str, problem: str) -> str:
    return f"can't read {secret}: {problem}"


def unreadable_file(path: object, problem: str | None) -> str:
    return f"can't read {path}: {problem}; use a readable file"


NOT_UTF8 = "it is not UTF-8"


def variable(name: str) -> str:
    return f"the variable {name}"


def variable_not_set(secret: str) -> str:
    return f"{secret} is not set; set it to the value"
