"""The distribution that ``eph target new`` writes: the files of ``templates`` with the target's name in them.

In a template, NAME is the target's name and TITLE the same with a capital letter, for classes.
"""

from __future__ import annotations

import re
from importlib import resources
from pathlib import Path

from orchestrator.cli import wording
from orchestrator.cli.cli_errors import CliError, ExitCode

_NAME = re.compile(r"[a-z][a-z0-9]{0,29}")
_PLACES = {
    "pyproject.toml": "pyproject.toml",
    "README.md": "README.md",
    "__init__.py": "eph_NAME/__init__.py",
    "config.py": "eph_NAME/config.py",
    "pages.py": "eph_NAME/pages.py",
    "v1.py": "eph_NAME/v1.py",
    "target.py": "eph_NAME/target.py",
    "test_conformance.py": "tests/test_conformance.py",
}


def render(name: str) -> dict[str, str]:
    """The files by path."""
    templates = resources.files(__name__) / "templates"
    return {
        _fill(place, name): _fill((templates / f"{template}.tmpl").read_text(encoding="utf-8"), name)
        for template, place in _PLACES.items()
    }


def check_name(name: str) -> None:
    """It becomes a table of eph.toml, a section of eph.yaml and a part of module and variable names."""
    from programs import registry

    if not _NAME.fullmatch(name):
        raise CliError(wording.targets.invalid_name(name), wording.targets.NAME_FORMAT, ExitCode.USAGE)
    if name in registry.installed_targets():
        raise CliError(wording.targets.name_taken(name), wording.targets.CHOOSE_NAME, ExitCode.REFUSED)


def write(name: str, folder: Path) -> list[Path]:
    """Writes all files, or none if anything is in the way. Returns their paths."""
    contents = {folder / place: text for place, text in render(name).items()}
    if folder.exists() and any(folder.iterdir()):
        raise CliError(wording.targets.folder_not_empty(folder), wording.targets.CHOOSE_FOLDER, ExitCode.REFUSED)
    for path, text in contents.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return list(contents)


def _fill(text: str, name: str) -> str:
    return text.replace("NAME", name).replace("TITLE", name.capitalize())
