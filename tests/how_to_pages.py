"""The code of the how-to pages, as files: tests run what a page shows, word for word."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

HOW_TO = Path(__file__).parents[1] / "docs" / "how-to"
_FILE = re.compile(r"`([a-z_0-9/]+\.py)`[^\n`]*:\n\n```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def code_files(page: str) -> dict[str, str]:
    """By file name: each Python block of the page, with the name that the sentence before it ends with."""
    text = (HOW_TO / f"{page}.md").read_text()
    found = dict(_FILE.findall(text))
    assert len(found) == text.count("```python"), f"a block of {page} has no file name, or one that is taken"
    return found


def install(site: Path, package: str, files: Mapping[str, str], entry_point: str) -> None:
    """Writes a distribution into a folder of PYTHONPATH. ``entry_point``: its group, a space, and the definition."""
    group, _, definition = entry_point.partition(" ")
    contents = {f"{package}/{name}": text for name, text in files.items()}
    metadata = f"{package}-1.dist-info"
    contents[f"{metadata}/METADATA"] = f"Metadata-Version: 2.1\nName: {package.replace('_', '-')}\nVersion: 1\n"
    contents[f"{metadata}/entry_points.txt"] = f"[{group}]\n{definition}\n"
    write_files(site, contents)


def write_files(folder: Path, contents: Mapping[str, str]) -> None:
    for name, text in contents.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
