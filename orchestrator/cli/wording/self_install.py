"""``eph self-install``."""

from __future__ import annotations

from collections.abc import Sequence

COST = "Monthly cost without environments:"
NO_COST = "No cost is known: it uses what this place already has."
PERMISSIONS = "Eph gets these permissions:"
ASK_DESTROY = "Delete all of this?"
ONLY_PREVIEW = "Nothing was changed. Run it without --preview to apply this."
APPLIED = "Done. Add these settings to the server's eph.toml:"
APPLIED_WITHOUT_SETTINGS = "Done."
DESTROYED = "Deleted."
NOT_INSTALLED = "nothing is installed here"
UNCHANGED = "Nothing to change."


def place(name: str) -> str:
    return f"Place: {name}"


def change(action: str, count: int) -> str:
    return f"{count} to {action}"


def ask_apply(summary: str) -> str:
    return f"Apply this ({summary})?"


def not_priced(unpriced: Sequence[str], excluded: Sequence[str]) -> str:
    unknown = [f"no price known: {', '.join(unpriced)}"] if unpriced else []
    extra = [f"not included: {', '.join(excluded)}"] if excluded else []
    return "; ".join([*unknown, *extra])


def not_a_pair(text: str) -> str:
    return f"{text!r} isn't KEY=VALUE"


def cannot(target: str, able: Sequence[str]) -> str:
    return f"the target {target} has no installation; these have one: {', '.join(able)}"


def options(described: Sequence[str]) -> str:
    return "Options: " + " ".join(described)


def option_problem(name: str, message: str) -> str:
    return f"{name}: {message}"
