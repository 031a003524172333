from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest
from typer.main import get_command
from typer.testing import CliRunner, Result

from orchestrator.cli.main import app
from orchestrator.core.views.phases import Phase
from orchestrator.service.fake import FakeEnvironmentService, sample
from orchestrator.surfaces.api.app import create_app
from tests.surfaces.api_server import TOKENS, SwappableDesk, api_settings, serve

Eph = Callable[..., Result]


@pytest.fixture(scope="session", autouse=True)
def commands_are_built_once() -> Iterator[None]:
    """Typer's runner builds all commands for each call, which takes longer than most of them run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("typer.testing._get_command", cache(get_command))
        yield


@pytest.fixture(scope="session")
def shared_server(shared_authorities: None) -> Iterator[tuple[SwappableDesk, str]]:
    desk = SwappableDesk()
    with serve(create_app(desk.as_desk(), api_settings())) as address:
        yield desk, address


@pytest.fixture
def desk(shared_server: tuple[SwappableDesk, str]) -> FakeEnvironmentService:
    desk = FakeEnvironmentService(sample(7), sample(42), sample(9, Phase.FAILED), sample(3, Phase.QUEUED, "demo/api"))
    shared_server[0].current = desk
    return desk


@pytest.fixture
def url(shared_server: tuple[SwappableDesk, str], desk: FakeEnvironmentService) -> str:
    return shared_server[1]


@pytest.fixture(autouse=True)
def isolated_config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No server on this machine, and none of the developer's own settings."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    for name in ("EPH_URL", "EPH_TOKEN", "DISPLAY", "WAYLAND_DISPLAY", "BROWSER"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def eph(url: str, monkeypatch: pytest.MonkeyPatch) -> Eph:
    """Runs a command with the server, as an administrator unless ``role`` says otherwise."""

    def run(*args: str, role: str = "admin", input: str | None = None) -> Result:
        monkeypatch.setenv("EPH_URL", url)
        monkeypatch.setenv("EPH_TOKEN", TOKENS.get(role, ""))
        return CliRunner().invoke(app, list(args), input=input)

    return run
