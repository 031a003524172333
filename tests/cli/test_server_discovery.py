"""How ``eph`` finds its server. Row: P5 (no configuration)."""

from __future__ import annotations

import json
import os
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from orchestrator.cli import discovery
from orchestrator.cli.main import app
from orchestrator.service.fake import FakeEnvironmentService
from tests.surfaces.api_server import TOKENS


def token_file(folder: Path) -> Path:
    path = folder / "api.token"
    path.write_text(TOKENS["admin"] + "\n")
    return path


def test_record_is_written_read_and_removed(tmp_path: Path) -> None:
    written = discovery.write("http://127.0.0.1:1", token_file(tmp_path))
    assert stat.S_IMODE(written.stat().st_mode) == 0o600
    assert stat.S_IMODE(written.parent.stat().st_mode) == 0o700
    found = discovery.read()
    assert found is not None
    assert (found.url, found.pid) == ("http://127.0.0.1:1", os.getpid())
    discovery.remove(pid=os.getpid() + 1)
    assert discovery.read() is not None, "another process's file stays"
    discovery.remove()
    assert discovery.read() is None
    discovery.remove()


def test_file_of_a_dead_process_is_ignored(tmp_path: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    discovery.write("http://127.0.0.1:1", token_file(tmp_path), ended.pid)
    assert discovery.read() is None


@pytest.mark.parametrize(
    "text", ["", "[]", "{", '{"url": 1}', '{"url": "x", "token_file": 3, "pid": 1}', '{"pid": -1}']
)
def test_invalid_file_is_no_server(text: str) -> None:
    discovery.path().parent.mkdir(parents=True)
    discovery.path().write_text(text)
    assert discovery.read() is None
    discovery.remove()


def test_server_on_this_machine_is_found(url: str, desk: FakeEnvironmentService, tmp_path: Path) -> None:
    discovery.write(url, token_file(tmp_path))
    result = CliRunner().invoke(app, ["list"])
    assert result.exit_code == 0, result.output
    assert "shop-gentle-stream-42" in result.stdout


def test_unreadable_token(url: str, tmp_path: Path) -> None:
    discovery.write(url, tmp_path / "none")
    result = CliRunner().invoke(app, ["list"])
    assert result.exit_code == 3
    assert "EPH_TOKEN" in result.stderr


def test_no_server_says_what_to_do() -> None:
    result = CliRunner().invoke(app, ["list"])
    assert result.exit_code == 5
    assert "eph demo" in result.stderr


def test_server_that_does_not_respond(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    monkeypatch.setenv("EPH_URL", f"http://127.0.0.1:{port}")
    result = CliRunner().invoke(app, ["list"])
    assert result.exit_code == 5
    assert "does not respond" in result.stderr
    monkeypatch.setenv("EPH_URL", "eph.example.com")
    assert CliRunner().invoke(app, ["list"]).exit_code == 2


def run(*args: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "orchestrator.cli.main", *args],
        capture_output=True,
        text=True,
        timeout=30,
        env={**os.environ, **env},
        check=False,
    )


def test_real_process(url: str, desk: FakeEnvironmentService, tmp_path: Path) -> None:
    discovery.write(url, token_file(tmp_path))
    good = run("get", "42", "-o", "json")
    assert good.returncode == 0, good.stderr
    assert json.loads(good.stdout)["number"] == 42
    missing = run("get", "nothing-like-it")
    assert missing.returncode == 4
    assert missing.stderr.startswith("error: ")
    assert "Traceback" not in missing.stderr


def test_help_is_fast_and_imports_nothing_large() -> None:
    slow = ("httpx", "pydantic", "rich", "ruamel", "fastapi", "pulumi", "uvicorn", "sqlalchemy")
    code = (
        "import sys; sys.argv = ['eph', '--help']\n"
        "from orchestrator.cli.main import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        f"sys.stderr.write(' '.join(name for name in {slow!r} if name in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True)
    assert "See environments:" in done.stdout
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("variables", "arguments"),
    [
        ({}, ["list"]),
        ({"_EPH_COMPLETE": "complete_bash", "COMP_WORDS": "eph get shop", "COMP_CWORD": "2"}, []),
    ],
)
def test_fast_commands_import_neither_httpx_nor_the_models(
    url: str, desk: FakeEnvironmentService, tmp_path: Path, variables: dict[str, str], arguments: list[str]
) -> None:
    """P5: `eph list` takes at most 0.3 s and completion 0.2 s, most of which is imports."""
    discovery.write(url, token_file(tmp_path))
    code = (
        f"import sys; sys.argv = ['eph', *{arguments!r}]\n"
        "from orchestrator.cli.main import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "sys.stderr.write('imported: ' + ' '.join({'httpx', 'pydantic', 'ruamel', 'programs'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=30,
        env={**os.environ, **variables},
        check=True,
    )
    assert "shop-gentle-stream-42" in done.stdout
    assert done.stderr.endswith("imported: ")


def test_names_complete_in_the_shell(url: str, desk: FakeEnvironmentService, tmp_path: Path) -> None:
    discovery.write(url, token_file(tmp_path))
    assert "_EPH_COMPLETE" in run("completion", "bash").stdout
    done = run(_EPH_COMPLETE="complete_bash", COMP_WORDS="eph get shop-gentle-stream-4", COMP_CWORD="2")
    assert done.stdout.split() == ["shop-gentle-stream-42"]
