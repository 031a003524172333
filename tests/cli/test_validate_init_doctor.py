"""``eph validate``, ``init``, ``doctor``: without a server. Rows: P5, Y1 (file, line, what was expected)."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from orchestrator.cli import scaffold
from orchestrator.cli.commands import doctor
from orchestrator.cli.main import app
from orchestrator.config.eph_yaml.parsing import validate_text


@pytest.fixture
def eph(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Runs a command in its own repository."""
    folder = tmp_path / "My Shop_2"
    (folder / ".git").mkdir(parents=True)
    monkeypatch.chdir(folder)
    return lambda *args: CliRunner().invoke(app, list(args))


Eph = Callable[..., Result]


def test_valid_and_invalid_file(eph: Eph) -> None:
    Path("eph.yaml").write_text('version: "1.0"\nname: shop\n')
    assert eph("validate").stdout == "eph.yaml is valid\n"
    Path("bad.yaml").write_text('version: "1.0"\nname: shop\nenvironment:\n  ttl: soon\n')
    result = eph("validate", "bad.yaml")
    assert result.exit_code == 1
    assert result.stdout.startswith("bad.yaml:4:")
    found = json.loads(eph("validate", "bad.yaml", "-o", "json").stdout)
    assert found["valid"] is False
    assert len(found["problems"]) == 1


def test_missing_file(eph: Eph) -> None:
    missing = eph("validate")
    assert missing.exit_code == 2
    assert "eph init" in missing.stderr
    assert eph("validate", ".").exit_code == 2
    Path("huge.yaml").write_bytes(b"a" * 10_000_000)
    assert eph("validate", "huge.yaml").exit_code == 1
    Path("binary.yaml").write_bytes(bytes(range(256)))
    assert eph("validate", "binary.yaml").exit_code == 1


def test_file_from_standard_input(eph: Eph) -> None:
    done = CliRunner().invoke(app, ["validate", "-"], input='version: "1.0"\nname: shop\n')
    assert done.exit_code == 0, done.output


def test_init_writes_at_the_root_once_and_it_validates(eph: Eph, monkeypatch: pytest.MonkeyPatch) -> None:
    root = Path.cwd()
    (root / "deep" / "down").mkdir(parents=True)
    monkeypatch.chdir(root / "deep" / "down")
    assert eph("init").exit_code == 0
    written = (root / "eph.yaml").read_text()
    assert "name: my-shop-2" in written
    again = eph("init")
    assert again.exit_code == 6
    assert (root / "eph.yaml").read_text() == written
    monkeypatch.chdir(root)
    assert eph("validate").exit_code == 0


@pytest.mark.parametrize(
    ("files", "command"),
    [
        ({}, "python3 -m http.server $PORT --bind 127.0.0.1"),
        (
            {"Procfile": 'worker: x\nweb: gunicorn shop:app --bind 127.0.0.1:$PORT "a: b" # c\n'},
            "gunicorn shop:app --bind",
        ),
        ({"package.json": '{"scripts": {"start": "node .", "build": "tsc"}}', "package-lock.json": ""}, "npm start"),
        ({"package.json": "{", "manage.py": ""}, "python3 manage.py runserver 127.0.0.1:$PORT"),
        ({"package.json": "[]"}, "python3 -m http.server"),
        ({"package.json": '{"scripts": {"test": "x"}}', "go.mod": "", "main.go": ""}, "./.eph-app"),
        ({"Procfile": "web:\nweb: \x1b[31m\n"}, "python3 -m http.server"),
    ],
)
def test_detected_framework_determines_the_command(tmp_path: Path, files: dict[str, str], command: str) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    found = scaffold.detect(tmp_path)
    assert found.command.startswith(command)
    assert validate_text(scaffold.render_eph_yaml("shop", found), "eph.yaml") == []


@pytest.mark.parametrize("folder", ["shop", "42", "Ünïcode", "---", "a" * 99, "a.b c--d", "x" * 29 + "-y"])
def test_any_folder_gives_a_valid_name(folder: str) -> None:
    text = scaffold.render_eph_yaml(folder, scaffold.DetectedApp("true", "a test"))
    assert validate_text(text, "eph.yaml") == [], scaffold.project_name(folder)


def test_doctor_finds_what_is_missing_and_says_what_to_do(
    eph: Eph, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    monkeypatch.setenv("EPH_CACHE", str(tmp_path / "cache"))
    result = eph("doctor", "-o", "json")
    assert result.exit_code == 1
    checks = {item["name"]: item for item in json.loads(result.stdout)}
    assert checks["git"]["verdict"] == "fail"
    assert checks["Pulumi"]["verdict"] == "fail"
    assert "make toolchain" in checks["Pulumi"]["todo"]
    assert checks["bubblewrap"]["verdict"] == "warn"
    assert checks["kustomize"]["verdict"] == "warn"
    assert "make kustomize" in checks["kustomize"]["todo"]
    assert checks["server"]["verdict"] == "warn"
    assert "eph demo" in checks["server"]["todo"]


def test_doctor_lists_the_languages_that_previews_can_use() -> None:
    check = doctor._languages()
    assert check.verdict is doctor.CheckStatus.OK
    assert "Python (/" in check.found


def test_doctor_reports_a_sandbox_that_does_not_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = tmp_path / "bwrap"
    broken.write_text("#!/bin/sh\necho 'bwrap: No permissions to create new namespace' >&2\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    check = doctor._bubblewrap()
    assert check.verdict is doctor.CheckStatus.WARN
    assert "No permissions" in check.found


def test_doctor_reports_a_port_in_use(eph: Eph) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert doctor._port(port).verdict is doctor.CheckStatus.WARN
    assert doctor._port(port).verdict is doctor.CheckStatus.OK


def test_doctor_fails_for_a_configured_server_that_does_not_respond(eph: Eph, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    monkeypatch.setenv("EPH_URL", f"http://127.0.0.1:{port}")
    assert doctor._server().verdict is doctor.CheckStatus.FAIL
