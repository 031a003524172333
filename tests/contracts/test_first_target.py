"""The tutorial, followed word for word, and what ``eph target new`` writes. Row: T6."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from orchestrator.cli import target_scaffold
from tests import how_to_pages
from tests.contracts import scratch_environment

TEXT = (how_to_pages.HOW_TO / "first-target.md").read_text()
UNSHOWN = {"README.md", "eph_pages/__init__.py"}


def shown_files() -> dict[str, str]:
    found = {}
    for block in re.finditer(r"^```(?:python|toml)\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL):
        paragraph = TEXT[: block.start()].rstrip().rpartition("\n\n")[2]
        (path,) = re.findall(r"`([\w/]+\.(?:py|toml))`", paragraph)
        found[path] = block[1]
    return found


def console_commands() -> list[list[str]]:
    return [shlex.split(line) for line in re.findall(r"^\$ (.*)$", TEXT, re.MULTILINE)]


def test_page_shows_what_the_command_writes() -> None:
    written = target_scaffold.render("pages")
    assert shown_files() == {path: text for path, text in written.items() if path not in UNSHOWN}


@pytest.mark.real
@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.exhaustive
def test_reader_of_the_page_ends_with_a_green_suite(tmp_path: Path) -> None:
    """Every command of the page, in order, and every file as the page shows it."""
    environment, folder, output = scratch_environment.create(tmp_path / "venv"), tmp_path, ""
    for command in console_commands():
        if command[0] == "cd":
            folder = folder / command[1]
            how_to_pages.write_files(folder, shown_files())
            continue
        done = environment.run(*command, cwd=folder)
        output = done.stdout + done.stderr
        assert done.returncode == 0, output
    assert "pages doesn't implement" in output
    assert re.search(r"\d+ passed", output), output
    assert "failed" not in output


@pytest.mark.real
@pytest.mark.long
@pytest.mark.exhaustive
@pytest.mark.timeout(900)
def test_sample_distribution_passes_the_suite(tmp_path: Path) -> None:
    environment = scratch_environment.create(tmp_path / "venv")
    source = Path(__file__).parents[1] / "sample_target"
    sample = scratch_environment.copy_of(source, tmp_path / "sample")
    installed = environment.run("pip", "install", ".", cwd=sample)
    assert installed.returncode == 0, installed.stderr
    done = environment.run("pytest", "conformance.py", cwd=sample)
    assert done.returncode == 0, done.stdout
