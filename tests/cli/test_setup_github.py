"""`eph setup github` against a stand-in of GitHub's manifest flow. Rows: O4, S4."""

from __future__ import annotations

import html
import json
import re
import stat
import threading
import tomllib
import webbrowser
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import pytest

from orchestrator.cli.cli_errors import CliError, ExitCode
from orchestrator.cli.commands import setup
from orchestrator.config.settings import loading
from orchestrator.forges.github.app_setup import manifest
from orchestrator.forges.github.app_setup.callback_server import CallbackServer
from tests.how_to_pages import HOW_TO

KEY = "-----BEGIN RSA PRIVATE KEY-----\nsesame\n-----END RSA PRIVATE KEY-----\n"


@dataclass
class GitHub:
    """Accepts a manifest, gives a code for it, and exchanges each code once, as GitHub does."""

    port: int = 0
    manifests: dict[str, dict[str, Any]] = field(default_factory=dict)
    owners: dict[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def accept(self, path: str, query: str, form: dict[str, list[str]]) -> str:
        """The redirect after the person confirmed. GitHub refuses a manifest without these."""
        wanted = json.loads(form["manifest"][0])
        assert wanted["redirect_url"].startswith("http://127.0.0.1:")
        assert {"name", "url", "hook_attributes", "default_permissions", "default_events"} <= wanted.keys()
        code = f"code{len(self.manifests)}"
        self.manifests[code] = wanted
        found = re.fullmatch(r"/organizations/([^/]+)/settings/apps/new", path)
        self.owners[code] = found[1] if found else "ada"
        return f"{wanted['redirect_url']}?{urlencode({'code': code, 'state': parse_qs(query)['state'][0]})}"

    def convert(self, code: str) -> dict[str, Any] | None:
        wanted = self.manifests.pop(code, None)
        if wanted is None:
            return None
        page = f"{self.url}/apps/{wanted['name']}"
        return {
            "id": 4711, "slug": wanted["name"], "html_url": page, "owner": {"login": self.owners[code]},
            "pem": KEY, "webhook_secret": "w3bhook-s3cret", "client_id": "Iv1.a", "client_secret": "c",
        }  # fmt: skip


@pytest.fixture
def github() -> Iterator[GitHub]:
    host = GitHub()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length", "0"))).decode()
            if match := re.fullmatch(r"/api/v3/app-manifests/([^/]+)/conversions", asked.path):
                app = host.convert(match[1])
                self.answer(201 if app else 404, json.dumps(app or {}).encode())
            else:
                self.answer(302, b"", host.accept(asked.path, asked.query, parse_qs(body)))

        def answer(self, status: int, body: bytes, location: str = "") -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            if location:
                self.send_header("Location", location)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    host.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield host
    server.shutdown()
    server.server_close()


class Person:
    """Follows the page of the terminal in a browser: presses its button, and returns where GitHub leads."""

    def __init__(self) -> None:
        self.pages: list[int] = []
        self.thread: threading.Thread | None = None

    def open(self, url: str) -> bool:
        self.thread = threading.Thread(target=self._walk, args=(url,))
        self.thread.start()
        return True

    def finish(self) -> None:
        if self.thread is not None:
            self.thread.join(20)

    def _walk(self, url: str) -> None:
        with httpx.Client(trust_env=False, timeout=20) as browser:
            page = browser.get(url)
            target, value = re.findall(r'(?:action|value)="([^"]*)"', page.text)
            answer = browser.post(html.unescape(target), data={"manifest": html.unescape(value)})
            returned = browser.get(answer.headers["location"])
            self.pages += [page.status_code, returned.status_code]


@pytest.fixture
def person(monkeypatch: pytest.MonkeyPatch) -> Iterator[Person]:
    found = Person()
    monkeypatch.setattr(webbrowser, "open", found.open)
    yield found
    found.finish()


def _setup(github: GitHub, folder: Path, **options: Any) -> None:
    settings: dict[str, Any] = {
        "organisation": "acme", "name": "", "url": "", "repository": None, "folder": folder, "port": 0,
        "forge": "", "host": github.url, "api": "", "browser": True, "timeout": "20s",
    }  # fmt: skip
    setup.setup(**{**settings, **options})


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_the_app_is_created_and_the_settings_load(github: GitHub, person: Person, tmp_path: Path) -> None:
    folder = tmp_path / "home"
    _setup(github, folder, url="https://eph.example.com/", repository=["acme/shop"])
    person.finish()
    assert person.pages == [200, 200]
    key, secret = folder / "github-app.pem", folder / "github-webhook.secret"
    assert [_mode(path) for path in (key, secret, folder / "eph.toml")] == [0o600] * 3
    assert _mode(folder) == 0o700
    settings = loading.load(folder / "eph.toml", home=folder)
    forge: Any = settings.forge
    assert (forge.kind, forge.app_id, forge.url) == ("github", "4711", f"{github.url}/api/v3")
    assert forge.read_secret("private_key") == KEY.strip()
    assert forge.read_webhook_secret() == "w3bhook-s3cret"
    assert forge.webhook_url == "https://eph.example.com/api/v1/webhooks/github"
    assert forge.repositories == ("acme/shop",)
    assert "sesame" not in (folder / "eph.toml").read_text()


def test_without_a_url_there_are_no_webhooks_and_the_owner_is_served(
    github: GitHub, person: Person, tmp_path: Path
) -> None:
    (tmp_path / "eph.toml").write_text('domain = "preview.example.com"\n')
    _setup(github, tmp_path, organisation="")
    written = tomllib.loads((tmp_path / "eph.toml").read_text())
    assert written["domain"] == "preview.example.com", "what was there stays"
    assert written["forge"]["organisations"] == ["ada"]
    assert "webhook_secret_file" not in written["forge"]
    assert not (tmp_path / "github-webhook.secret").exists()


@pytest.mark.parametrize(
    ("name", "content"),
    [("github-app.pem", "old"), ("github-webhook.secret", "old"), ("eph.toml", '[forge]\ntoken_file = "/x"\n')],
)
def test_nothing_is_overwritten_and_no_app_is_created(
    github: GitHub, person: Person, tmp_path: Path, name: str, content: str
) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(CliError) as refused:
        _setup(github, tmp_path)
    assert refused.value.code is ExitCode.REFUSED
    assert person.thread is None, "no page was opened"
    assert (tmp_path / name).read_text() == content


def test_a_code_counts_once(github: GitHub, person: Person, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(github, "convert", lambda _: None)
    with pytest.raises(CliError) as refused:
        _setup(github, tmp_path)
    assert "404" in refused.value.message
    assert not (tmp_path / "eph.toml").exists()


def test_answers_of_other_sites_are_refused() -> None:
    server = CallbackServer(0, lambda state: f"https://github.example.com/new?state={state}", lambda _: {})
    with server:
        waiting = threading.Thread(target=server.wait, args=(20.0,))
        waiting.start()
        with httpx.Client(base_url=server.url, trust_env=False, timeout=20) as browser:
            forged = browser.get("/created", params={"code": "evil", "state": "guess"})
            rebound = browser.get("/", headers={"Host": "evil.example.com"})
            odd = browser.get("/created", params={"code": "a/b", "state": server.state})
            assert [forged.status_code, rebound.status_code, odd.status_code] == [400, 421, 400]
            assert server.state not in rebound.text
            assert server.code == ""
            good = browser.get("/created", params={"code": "right", "state": server.state})
            assert good.status_code == 200
            assert "frame" in good.headers["x-frame-options"].lower() or good.headers["x-frame-options"] == "DENY"
        waiting.join(20)
    assert server.code == "right"


@pytest.mark.parametrize("option", [{"organisation": "a/b"}, {"url": "eph.example.com"}, {"host": "ftp://x"}])
def test_invalid_options_are_refused(github: GitHub, tmp_path: Path, option: dict[str, str]) -> None:
    with pytest.raises(CliError) as refused:
        _setup(github, tmp_path, **option)
    assert refused.value.code is ExitCode.USAGE


def test_the_page_about_the_app_lists_the_same_permissions() -> None:
    """O4: who creates the App by hand gets the same one."""
    text = (HOW_TO / "github-app.md").read_text()
    names = {"Commit statuses": "statuses"}
    rows = re.findall(r"^\| ([A-Z][a-z ]+) \| (read and write|read) \|", text, re.MULTILINE)
    listed = {
        names.get(name, name.lower().replace(" ", "_")): "write" if "write" in access else "read"
        for name, access in rows
    }
    assert listed == dict(manifest.PERMISSIONS)
    events = re.search(r"Subscribe to these events: ([^.]+)\.", text)
    assert events is not None
    found = {event.strip().lower().replace(" ", "_") for event in events[1].replace("\n", " ").split(",")}
    assert found == set(manifest.EVENTS)
