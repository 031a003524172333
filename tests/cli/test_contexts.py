"""Which server ``eph`` uses, and that it says so. Row: P5; pitfall 9 (a demo never takes over)."""

from __future__ import annotations

import json
import threading
from functools import partial
from http.server import BaseHTTPRequestHandler, HTTPServer, SimpleHTTPRequestHandler
from pathlib import Path
from typing import ClassVar

import pytest
from typer.testing import CliRunner, Result

from orchestrator.cli import contexts, credentials, discovery
from orchestrator.cli.contexts import ServerOrigin
from orchestrator.cli.discovery import LocalServerKind
from orchestrator.cli.main import app
from orchestrator.service.fake import FakeEnvironmentService
from tests.surfaces.api_server import TOKENS

LOCAL, DEMO, TEAM, OTHER = "http://127.0.0.1:1", "http://127.0.0.1:2", "https://eph.example.com", "https://other.test"


def token_file(folder: Path) -> Path:
    path = folder / "api.token"
    path.write_text(TOKENS["admin"] + "\n")
    return path


def eph(*args: str) -> Result:
    return CliRunner().invoke(app, list(args))


def chosen() -> tuple[str, str]:
    found = contexts.default()
    return (found.url, found.origin.value) if found else ("", "")


def test_order_in_which_servers_are_chosen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert chosen() == ("", "")
    discovery.write(DEMO, token_file(tmp_path), kind=LocalServerKind.DEMO)
    assert chosen() == (DEMO, ServerOrigin.DEMO)
    credentials.store(TEAM, "t")
    assert chosen() == (TEAM, ServerOrigin.SIGN_IN)
    discovery.write(LOCAL, token_file(tmp_path))
    assert chosen() == (LOCAL, ServerOrigin.LOCAL)
    contexts.use(OTHER)
    assert chosen() == (OTHER, ServerOrigin.CONTEXT)
    monkeypatch.setenv("EPH_URL", "http://127.0.0.1:3")
    assert chosen() == ("http://127.0.0.1:3", ServerOrigin.EPH_URL)


def test_demo_that_starts_replaces_nothing(tmp_path: Path) -> None:
    discovery.write(LOCAL, token_file(tmp_path))
    discovery.write(DEMO, token_file(tmp_path), kind=LocalServerKind.DEMO)
    assert chosen() == (LOCAL, ServerOrigin.LOCAL)
    discovery.remove(kind=LocalServerKind.DEMO)
    assert chosen() == (LOCAL, ServerOrigin.LOCAL)


def test_output_says_that_a_demo_is_used(url: str, desk: FakeEnvironmentService, tmp_path: Path) -> None:
    discovery.write(url, token_file(tmp_path), kind=LocalServerKind.DEMO)
    result = eph("list")
    assert result.exit_code == 0, result.output
    assert result.stderr.startswith(f"Using the demo at {url}")
    assert eph("context", "use", "demo").exit_code == 0
    assert "Using the demo" not in eph("list").stderr


@pytest.mark.parametrize("typed", ["eph.example.com", "eph.ex", TEAM])
def test_context_is_chosen_by_name_prefix_or_url(typed: str) -> None:
    credentials.store(TEAM, "t")
    credentials.store(OTHER, "t")
    assert eph("context", "use", typed).exit_code == 0
    assert chosen() == (TEAM, ServerOrigin.CONTEXT)
    assert contexts.choose().token() == "t"
    assert eph("context", "clear").exit_code == 0
    assert chosen() == (OTHER, ServerOrigin.SIGN_IN)


def test_unknown_context_lists_those_that_exist() -> None:
    credentials.store(TEAM, "t")
    credentials.store("https://eph.example.net", "t")
    unknown, several = eph("context", "use", "prod"), eph("context", "use", "eph")
    assert (unknown.exit_code, several.exit_code) == (2, 2)
    assert "eph.example.com" in unknown.stderr
    assert "matches several" in several.stderr
    assert contexts.current() == ""


def test_demo_context_follows_the_demo_and_says_when_there_is_none(tmp_path: Path) -> None:
    discovery.write(DEMO, token_file(tmp_path), kind=LocalServerKind.DEMO)
    assert eph("context", "use", "demo").exit_code == 0
    discovery.write("http://127.0.0.1:9", token_file(tmp_path), kind=LocalServerKind.DEMO)
    assert chosen() == ("http://127.0.0.1:9", ServerOrigin.CONTEXT)
    discovery.remove(kind=LocalServerKind.DEMO)
    gone = eph("list")
    assert gone.exit_code == 5
    assert "no demo is running" in gone.stderr
    listed = eph("context")
    assert listed.exit_code == 0, "the list is how to repair that"
    assert eph("context", "clear").exit_code == 0


def test_list_marks_the_server_in_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    credentials.store(TEAM, "t")
    discovery.write(DEMO, token_file(tmp_path), kind=LocalServerKind.DEMO)
    found = json.loads(eph("context", "-o", "json").stdout)
    assert [(each["name"], each["used"], each["because"]) for each in found] == [
        ("eph.example.com", True, "sign-in"),
        ("demo", False, ""),
    ]
    assert "* eph.example.com" in eph("context").stdout.replace("  ", " ").replace("  ", " ")
    monkeypatch.setenv("EPH_URL", OTHER)
    assert json.loads(eph("context", "-o", "json").stdout)[0]["because"] == "EPH_URL"
    assert "EPH_URL is set" in eph("context", "use", "demo").stderr


def test_damaged_context_file_is_no_context() -> None:
    for text in ("", "[]", "{", '{"current": 3}', "{}"):
        contexts.path().parent.mkdir(parents=True, exist_ok=True)
        contexts.path().write_text(text)
        assert contexts.current() == ""


def test_commands_say_which_server_they_use(url: str, desk: FakeEnvironmentService, tmp_path: Path) -> None:
    """A missing environment is often only on another server."""
    discovery.write(url, token_file(tmp_path))
    assert f"{url} (on this machine)" in eph("list").stderr
    missing = eph("get", "nothing-like-it")
    assert f"server: {url} (on this machine)" in missing.stderr
    question = eph("down", "42")
    assert f"on {url.removeprefix('http://')}?" in question.stderr


class _Redirecting(BaseHTTPRequestHandler):
    seen: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.seen.append(self.path)
        self.send_response(302)
        self.send_header("Location", "/elsewhere")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        return


def test_redirects_are_not_followed_with_the_token(monkeypatch: pytest.MonkeyPatch) -> None:
    """S4: the token is for the server that the user named."""
    with HTTPServer(("127.0.0.1", 0), _Redirecting) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("EPH_URL", f"http://127.0.0.1:{server.server_port}")
        monkeypatch.setenv("EPH_TOKEN", "t")
        result = eph("list")
        server.shutdown()
    assert result.exit_code == 1
    assert "responded with 302" in result.stderr
    assert not any(path.startswith("/elsewhere") for path in _Redirecting.seen)


def test_response_that_is_not_of_an_eph_server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "www/api/v1").mkdir(parents=True)
    for text in ("[]", "{}", '{"items": [{}], "next": null}', "not JSON"):
        (tmp_path / "www/api/v1/environments").write_text(text)
        (tmp_path / "www/api/v1/status").write_text("{}")
        handler = partial(SimpleHTTPRequestHandler, directory=str(tmp_path / "www"))
        with HTTPServer(("127.0.0.1", 0), handler) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            monkeypatch.setenv("EPH_URL", f"http://127.0.0.1:{server.server_port}")
            result = eph("list")
            server.shutdown()
        assert result.exit_code == 5, text
        assert "isn't an Eph server" in result.stderr
