"""The reference pages list exactly what exists. Rows: P5, P7."""

from __future__ import annotations

import re
from pathlib import Path

from typer.core import TyperGroup
from typer.main import get_command

from orchestrator.auth.fake import MemoryTokens
from orchestrator.auth.sharing.fake import MemoryShareLinks
from orchestrator.auth.sharing.share_link_service import ShareLinkService
from orchestrator.auth.token_service import TokenService
from orchestrator.cli.cli_errors import ExitCode
from orchestrator.cli.main import app
from orchestrator.ledger.fake import MemoryLedger
from orchestrator.runtime.observation.meter import Meter
from orchestrator.service.fake import START, FakeEnvironmentService
from orchestrator.surfaces import metrics
from orchestrator.surfaces.api.api_errors import CODES
from orchestrator.surfaces.api.api_settings import ApiSettings, PreviewAccess
from orchestrator.surfaces.api.app import create_app

REFERENCE = Path(__file__).parents[2] / "docs" / "reference"
CLI = (REFERENCE / "cli.md").read_text()
API = (REFERENCE / "api.md").read_text()


def commands() -> dict[str, set[str]]:
    """Each command with its options, without hidden ones."""
    group = get_command(app)
    assert isinstance(group, TyperGroup)
    return {
        name: {
            option
            for parameter in command.params
            if not getattr(parameter, "hidden", False)
            for option in parameter.opts
            if option.startswith("-")
        }
        for name, command in group.commands.items()
    }


def documented() -> dict[str, set[str]]:
    sections = re.split(r"^### `eph (\S+)`$", CLI, flags=re.MULTILINE)[1:]
    return {
        name: {
            option
            for line in text.splitlines()
            if line.startswith("- `-")
            for option in re.findall(r"`(--?\w[\w-]*)`", line.partition(":")[0])
        }
        for name, text in zip(sections[::2], sections[1::2], strict=True)
    }


def test_every_command_and_option_is_documented() -> None:
    # `demo` has its own page section whether or not this installation has it.
    there, written = commands(), documented()
    assert {**there, "demo": set()} == {**written, "demo": set()}


def test_every_command_has_a_one_line_description() -> None:
    group = get_command(app)
    assert isinstance(group, TyperGroup)
    for name, command in group.commands.items():
        first = (command.help or "").splitlines()[0]
        assert 10 < len(first) < 65, name


def test_every_exit_code_is_documented() -> None:
    assert {int(found) for found in re.findall(r"^\| (\d+) \|", CLI, re.MULTILINE)} == {int(code) for code in ExitCode}


def test_every_path_is_documented() -> None:
    tokens = TokenService(MemoryTokens(), MemoryLedger().record, lambda: START)
    links = ShareLinkService(MemoryShareLinks(), MemoryLedger().record, lambda _: None, lambda: START)
    previews = PreviewAccess(b"", str, "", links)
    settings = ApiSettings("1", token_service=tokens, previews=previews)
    paths = create_app(FakeEnvironmentService(), settings).openapi()["paths"]
    there = {f"{method.upper()} `{path}`" for path, methods in paths.items() for method in methods}
    written = set(re.findall(r"^\| ((?:GET|POST|DELETE) `[^`]+`) \|", API, re.MULTILINE))
    assert there | {"GET `/openapi.json`"} == written


def test_every_error_and_metric_is_documented() -> None:
    assert {(int(a), b) for a, b in re.findall(r"^\| (\d{3}) \| `(\w+)` \|", API, re.MULTILINE)} == set(CODES.items())
    there = set(
        re.findall(r"^# HELP (\w+)", metrics.render(FakeEnvironmentService(), Meter().registry).decode(), re.MULTILINE)
    )
    assert there == set(re.findall(r"^\| `(eph_\w+)", API, re.MULTILINE))
