"""Options and settings of the demo: each takes effect or is refused with a reason, none is ignored. Issue 18, S1."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from orchestrator.config.problems import InvalidSettings
from orchestrator.demo import demo_world, entrypoint, wording

Run = Callable[..., str]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    monkeypatch.setenv("TMPDIR", str(tmp_path))

    def run(*arguments: str, **environment: str) -> str:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        assert entrypoint.main(list(arguments)) == 1
        return capsys.readouterr().err

    return run


def test_settings_of_the_environment_take_effect(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``EPH_PREVIEWS__SIGN_IN=all make demo`` was silently ignored."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setenv("EPH_PREVIEWS__SIGN_IN", "all")
    monkeypatch.setenv("EPH_LIMITS__ENVIRONMENTS", "7")
    with demo_world.open_world(None) as world:
        assert world.settings.previews.sign_in == "all"
        assert world.settings.limits.environments == 7


def test_invalid_setting_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setenv("EPH_PREVIEWS__SIGN_IN", "yes")
    with pytest.raises(InvalidSettings, match="EPH_PREVIEWS__SIGN_IN"), demo_world.open_world(None):
        pass


@pytest.mark.parametrize("port", ["70000", "-1"])
def test_invalid_port_is_one_clear_message(run: Run, port: str) -> None:
    assert run("--once", "--port", port).splitlines()[-1] == wording.error(wording.invalid_port(int(port), 65535))


@pytest.mark.parametrize(
    ("name", "value"), [("EPH_LISTEN", "0.0.0.0:1"), ("EPH_HOME", "/srv"), ("EPH_FORGE__TOKEN", "t")]
)
def test_settings_that_the_demo_chooses_are_refused_by_name(run: Run, name: str, value: str) -> None:
    assert f"env -u {name} eph demo" in run(**{name: value})


def test_contradictions_are_refused(run: Run, tmp_path: Path) -> None:
    assert "EPH_PREVIEWS__SIGN_IN" in run("--once", EPH_PREVIEWS__SIGN_IN="all")
    assert "--once" in run("--once", "--repo", str(tmp_path))
    assert "--target kubernetes" in run("--target", "kubernetes", "--repo", str(tmp_path))
    assert "git init" in run("--repo", str(tmp_path))
