"""``eph target new``."""

from __future__ import annotations

from pathlib import Path

NAME_FORMAT = "Use up to 30 lowercase letters and digits, starting with a letter."
CHOOSE_NAME = "Choose another name."
CHOOSE_FOLDER = "Choose another folder with --folder."


def invalid_name(name: str) -> str:
    return f"{name[:60]!r} can't be the name of a target"


def name_taken(name: str) -> str:
    return f"a target {name[:60]!r} is already installed"


def folder_not_empty(folder: Path) -> str:
    return f"{folder} isn't empty"


def next_steps(folder: Path) -> str:
    return f"Next: `cd {folder}`, `pip install --editable '.[test]'` and `pytest`."
