"""Which packages of an extra aren't installed. Row: O4."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from stacks.toolchain import extras

METADATA = """Metadata-Version: 2.4
Name: eph
Version: 9
Requires-Dist: certifi>=2024.7
Requires-Dist: no-such-base
Requires-Dist: psycopg[binary]>=3.2; extra == "server"
Requires-Dist: pulumi==3.259.0 ; extra == 'server'
Requires-Dist: mcp>=2.3; python_version >= "3.11" and extra == "mcp"
Requires-Dist: other; extra == "server-tools"
"""


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder in which Python finds packages."""
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    return tmp_path


def install(packages: Path, name: str, text: str = "") -> None:
    folder = packages / f"{name}-1.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text(text or f"Metadata-Version: 2.4\nName: {name}\nVersion: 1\n")


def test_packages_of_the_extra_that_are_not_installed(packages: Path) -> None:
    install(packages, "eph", METADATA)
    assert extras.missing("server") == ["psycopg", "pulumi"]
    install(packages, "pulumi")
    assert extras.missing("server") == ["psycopg"]
    assert extras.missing("mcp") == ["mcp"]
    install(packages, "psycopg")
    assert extras.missing("server") == []


def test_tree_that_is_not_installed_lacks_nothing(packages: Path) -> None:
    assert extras.missing("server") == []


def test_everything_is_installed_here() -> None:
    assert extras.missing(extras.SERVER) == []
    assert extras.missing(extras.MCP) == []
    extras.exit_without_server("ephd")


def test_ephd_ends_with_a_sentence_where_only_the_client_is(packages: Path, capsys: pytest.CaptureFixture[str]) -> None:
    install(packages, "eph", METADATA)
    with pytest.raises(SystemExit) as ended:
        extras.exit_without_server("ephd")
    assert ended.value.code == extras.NOT_INSTALLED
    assert capsys.readouterr().err.startswith("ephd: ")
