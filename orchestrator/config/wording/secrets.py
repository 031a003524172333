"""Secrets for previews, and the keys of the server itself."""

from __future__ import annotations

from pathlib import Path

# --- Secrets for previews


def secret(name: str, problem: str) -> str:
    return f"secret {name}: {problem}"


def too_large(where: str, limit: int) -> str:
    return f"{where} has more than {limit} bytes, which is too large for a variable; use a smaller value"


def not_utf_8(where: str) -> str:
    return f"{where} is not UTF-8; encode it, for example in base64"


def empty(where: str) -> str:
    return f"{where} is empty; set a value"


def zero_byte(where: str) -> str:
    return f"{where} contains a zero byte, which a variable can't hold; encode it, for example in base64"


def too_short(where: str, length: int, shortest: int) -> str:
    return (
        f"{where} has {length} characters, too few to be redacted reliably; use a value of at least "
        f"{shortest} characters"
    )


ONE_SOURCE = "a secret needs exactly one source"


def set_one_of(names: str) -> str:
    return f"set one of {names}"


# --- The server's own keys


def variable_keys_damaged(path: Path) -> str:
    return (
        f"{path} is damaged, so variables of environments can't be decrypted; restore it from a backup, or delete it, "
        "and set the variables again"
    )


def key_damaged(path: Path, size: int, expected: int) -> str:
    return f"{path} has {size} bytes instead of {expected}; restore it from a backup"


def key_empty(path: Path) -> str:
    return f"{path} is empty; restore it from a backup"


NOT_UTF_8 = "it is not UTF-8"


def passphrase_unreadable(path: Path, reason: str | None) -> str:
    return f"passphrase_file: can't read {path}: {reason}; use a readable file"


def passphrase_empty(path: Path) -> str:
    return f"passphrase_file: {path} is empty; stacks can't be opened without the passphrase"


def readable_by_others(path: Path, mode: int) -> str:
    return f"{path} is readable by others (mode {mode:04o}); run: chmod 600 {path}"


# --- Variables of environments

VARIABLES_UNREADABLE = "The variables that people set for it can't be decrypted with this server's key"
VARIABLE_UNKNOWN = "The value of a variable that people set isn't known yet; the next cycle reads it"
