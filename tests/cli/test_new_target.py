"""``eph target new``. What it writes passes the conformance suite: tests/contracts/test_first_target.py. Row: T6."""

from __future__ import annotations

import ast
import tomllib
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from orchestrator.cli.cli_errors import ExitCode
from orchestrator.cli.main import app


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def new(*words: str) -> Result:
    return CliRunner().invoke(app, ["target", "new", *words])


def test_package_registers_its_target(folder: Path) -> None:
    assert new("cloudrun").exit_code == 0
    project = tomllib.loads((folder / "eph-cloudrun" / "pyproject.toml").read_text())["project"]
    assert project["entry-points"]["eph.targets"] == {"cloudrun": "eph_cloudrun.target:TARGET"}
    modules = sorted((folder / "eph-cloudrun").rglob("*.py"))
    assert len(modules) == 6
    for path in modules:
        assert "NAME" not in path.read_text()
        ast.parse(path.read_text())


@pytest.mark.parametrize("name", ["Cloud", "cloud-run", "9lives", "x" * 31, "../x", "", "cloud_run"])
def test_invalid_name_is_refused(folder: Path, name: str) -> None:
    assert new(name).exit_code == ExitCode.USAGE
    assert list(folder.iterdir()) == []


def test_installed_target_is_not_replaced(folder: Path) -> None:
    assert new("local").exit_code == ExitCode.REFUSED
    assert list(folder.iterdir()) == []


def test_existing_files_are_never_overwritten(folder: Path) -> None:
    assert new("cloudrun", "--folder", "here").exit_code == 0
    readme = folder / "here" / "README.md"
    readme.write_text("mine")
    assert new("cloudrun", "--folder", "here").exit_code == ExitCode.REFUSED
    assert readme.read_text() == "mine"
    (folder / "file").touch()
    assert new("cloudrun", "--folder", "file").exit_code != 0
