"""How the production client handles a misbehaving Git host: a real server on loopback, one fault each.

Rows: L1, L4 (limits and Retry-After), L7. Pitfall 3: a failed read is never an empty one.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from orchestrator.demo.free_ports import free_port
from orchestrator.forges.github.github_forge import GitHubForge
from orchestrator.forges.port import (
    DeploymentReport,
    DeploymentState,
    ForgeRefused,
    ForgeUnavailable,
    ForgeUnsupported,
    PullList,
    Repository,
)

SHOP = Repository(7, "ada/shop", "/nowhere", "main")
REPO = {"id": 7, "full_name": "ada/shop", "clone_url": "/nowhere", "default_branch": "main"}


@dataclass
class Response:
    """One response. ``hang``: waits for that event first. ``status`` 0: the connection is closed instead."""

    status: int = 200
    data: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    raw: bytes | None = None
    length: int | None = None
    hang: threading.Event | None = None


Script = Callable[[str], Response]


class ScriptedServer:
    """Responds by a function of the path, and records the requests."""

    def __init__(self) -> None:
        self.script: Script = lambda _: Response(404, {"message": "Not Found"})
        self.requests: list[str] = []
        self.if_none_match = ""
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                outer.requests.append(self.path)
                outer.if_none_match = self.headers.get("If-None-Match", "")
                said = outer.script(self.path)
                if said.hang is not None:
                    said.hang.wait(10)
                if not said.status:
                    self.close_connection = True
                    return
                body = said.raw if said.raw is not None else json.dumps(said.data).encode()
                self.send_response(said.status)
                for name, value in said.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(said.length or len(body)))
                self.send_header("Connection", "close")
                self.end_headers()
                try:
                    self.wfile.write(body)
                except OSError:
                    return
                self.close_connection = True

            def do_POST(self) -> None:
                self.do_GET()

            def log_message(self, *said: Any) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    made = ScriptedServer()
    yield made
    made.close()


class FixedClock:
    now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock()


@pytest.fixture
def forge(server: ScriptedServer, clock: FixedClock) -> Iterator[GitHubForge]:
    made = GitHubForge(server.url, "secret-token", ["ada/shop"], timeout=1, now=clock)
    yield made
    made.close()


def pull_payload(number: int, repository: int = 7) -> dict[str, Any]:
    side = {"ref": "b", "sha": "a" * 40, "repo": {"id": repository}}
    texts = {"number": number, "state": "open", "title": "t", "labels": [], "user": {"login": "ada"}, "html_url": "u"}
    return {**texts, "head": side, "base": side}


@pytest.mark.parametrize(
    "said",
    [
        Response(500, {"message": "oops"}),
        Response(502, raw=b"<html>Bad Gateway</html>"),
        Response(200, raw=b'[{"number": 1, "state": "op'),
        Response(200, raw=b'[{"number": 1', length=500),
        Response(200, raw=b"<html>login</html>"),
        Response(200, {"message": "not a list"}),
        Response(200, [{"number": 1}]),
        Response(200, raw=b""),
    ],
    ids=["500", "502", "truncated", "cut off", "html", "no list", "no fields", "nothing"],
)
def test_broken_response_is_unavailable_never_empty(server: ScriptedServer, forge: GitHubForge, said: Response) -> None:
    """L7, pitfall 3."""
    server.script = lambda _: said
    with pytest.raises(ForgeUnavailable, match="/pulls") as caught:
        forge.pulls(SHOP)
    assert "secret-token" not in str(caught.value)


def test_missing_response_times_out(server: ScriptedServer, forge: GitHubForge) -> None:
    """L1: a host that hangs costs one timeout, no more."""
    hang = threading.Event()
    server.script = lambda _: Response(200, [], hang=hang)
    with pytest.raises(ForgeUnavailable, match="Timeout"):
        forge.pulls(SHOP)
    hang.set()


def test_read_is_retried_if_its_connection_was_closed(server: ScriptedServer, forge: GitHubForge) -> None:
    """L1, L4: hosts close idle connections, sometimes just when one is used again."""
    replies = [Response(0), Response(200, [pull_payload(1)])]
    server.script = lambda _: replies.pop(0)
    assert [item.key.number for item in forge.pulls(SHOP).open] == [1]
    assert len(server.requests) == 2
    server.script = lambda _: Response(0)
    with pytest.raises(ForgeUnavailable, match="ConnectionError"):
        forge.pulls(SHOP)
    assert len(server.requests) == 4, "once more, and no oftener"


def test_write_is_never_sent_twice(server: ScriptedServer, forge: GitHubForge) -> None:
    """L2: it may have arrived."""
    server.script = lambda _: Response(0)
    with pytest.raises(ForgeUnavailable, match="ConnectionError"):
        forge.add_label(SHOP, 1, "preview")
    assert len(server.requests) == 1


def test_connection_refused_is_unavailable() -> None:
    """L1."""
    closed = GitHubForge(f"http://127.0.0.1:{free_port()}", "t", [], timeout=1)
    with pytest.raises(ForgeUnavailable, match="ConnectionError"):
        closed.pulls(SHOP)
    closed.close()


@pytest.mark.parametrize(
    ("said", "wait"),
    [
        (Response(429, {"message": "slow down"}, {"Retry-After": "17"}), 17),
        (Response(403, {"message": "You have exceeded a secondary rate limit."}, {"Retry-After": "42"}), 42),
        (Response(403, {"message": "You have exceeded a secondary rate limit."}), 60),
        (Response(403, {"message": "API rate limit exceeded"},
              {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1000120"}), 120),
        (Response(429, {"message": "slow down"}, {"Retry-After": "99999999"}), 3600),
        (Response(429, {"message": "slow down"}, {"Retry-After": "soon"}), 60),
    ],
    ids=["429", "secondary", "secondary untold", "primary", "absurd", "unreadable"],
)  # fmt: skip
def test_whole_client_obeys_rate_limits(
    server: ScriptedServer, forge: GitHubForge, clock: FixedClock, said: Response, wait: float
) -> None:
    """L4: nothing more is sent until the time that the host requested has passed; nothing sleeps."""
    server.script = lambda _: said
    with pytest.raises(ForgeUnavailable) as caught:
        forge.pulls(SHOP)
    assert caught.value.retry_after == wait
    server.script = lambda path: Response(200, [pull_payload(1)] if "pulls" in path else REPO)
    clock.now += wait - 1
    with pytest.raises(ForgeUnavailable, match="asked to wait"):
        forge.pulls(SHOP)
    assert (len(server.requests), forge.usage().blocked_for) == (1, 1)
    clock.now += 1
    assert len(forge.pulls(SHOP).open) == 1


@pytest.mark.parametrize(("status", "hint"), [(401, "new one"), (403, "permission"), (451, "legal")])
def test_rejection_says_what_to_do(server: ScriptedServer, forge: GitHubForge, status: int, hint: str) -> None:
    """House rule: the status, what happened, and what to do."""
    server.script = lambda _: Response(status, {"message": "No"})
    with pytest.raises(ForgeRefused, match=f"{status} No.*{hint}"):
        forge.pulls(SHOP)


def paged_script(server: ScriptedServer, second: Response) -> Script:
    link = {"Link": f'<{server.url}/repos/ada/shop/pulls?state=open&page=2>; rel="next"'}
    return lambda path: second if "page=2" in path else Response(200, [pull_payload(n) for n in range(1, 101)], link)


@pytest.mark.parametrize(
    ("second", "reason"),
    [
        (Response(200, []), "announced but is empty"),
        (Response(500, {}), "500"),
        (Response(200, raw=b"[{"), "incomplete response"),
        (Response(429, {}, {"Retry-After": "5"}), "limit"),
    ],
    ids=["empty", "500", "truncated", "limited"],
)
def test_failing_page_makes_the_list_incomplete(
    server: ScriptedServer, forge: GitHubForge, second: Response, reason: str
) -> None:
    """L7, pitfall 3: what was read is returned, and never counts as complete."""
    server.script = paged_script(server, second)
    found = forge.pulls(SHOP)
    assert (len(found.open), found.complete) == (100, False)
    assert reason in found.reason


def test_all_pages_make_it_complete(server: ScriptedServer, forge: GitHubForge) -> None:
    """L1."""
    server.script = paged_script(server, Response(200, [pull_payload(101)]))
    found = forge.pulls(SHOP)
    assert (len(found.open), found.complete) == (101, True)


def test_full_page_without_a_link_is_checked_for_another(server: ScriptedServer, forge: GitHubForge) -> None:
    """L7: a cached first page can't hide that a second one appeared."""
    full = Response(200, [pull_payload(n) for n in range(1, 101)])
    server.script = lambda path: Response(200, [pull_payload(101)]) if "page=2" in path else full
    assert len(forge.pulls(SHOP).open) == 101


def test_cached_link_to_a_page_that_no_longer_exists(server: ScriptedServer, forge: GitHubForge) -> None:
    """L7: the list shrank to one page while the first page stayed the same: complete again after one uncached read."""
    first, second = [pull_payload(n) for n in range(1, 100)], [pull_payload(101)]

    def script(path: str) -> Response:
        if "page=2" in path:
            return Response(200, second)
        link = {"Link": f'<{server.url}/repos/ada/shop/pulls?state=open&page=2>; rel="next"'} if second else {}
        return (
            Response(304, raw=b"") if server.if_none_match == '"v1"' else Response(200, first, {"ETag": '"v1"', **link})
        )

    server.script = script
    assert len(forge.pulls(SHOP).open) == 100
    second.clear()
    found = forge.pulls(SHOP)
    assert (len(found.open), found.complete) == (99, True)


def test_empty_list_of_another_repository(server: ScriptedServer, forge: GitHubForge) -> None:
    """L7, Y3, pitfall 3: the name was given to someone else's repository, which has no pull requests."""
    server.script = lambda path: Response(200, [] if "pulls" in path else {**REPO, "id": 8})
    with pytest.raises(ForgeRefused, match="another repository"):
        forge.pulls(SHOP)


@pytest.mark.parametrize("ask", [lambda forge: forge.pull(SHOP, 1), lambda forge: forge.pulls(SHOP)])
def test_pull_requests_of_another_repository_are_not_ours(
    server: ScriptedServer, forge: GitHubForge, ask: Callable[[GitHubForge], Any]
) -> None:
    """L7."""
    server.script = lambda path: Response(200, pull_payload(1, 8) if path.endswith("/1") else [pull_payload(1, 8)])
    with pytest.raises(ForgeRefused, match="another repository"):
        ask(forge)


def test_404_everywhere_is_lost_access_not_gone(server: ScriptedServer, forge: GitHubForge) -> None:
    """L7, pitfall 3."""
    asks = (lambda: forge.pull(SHOP, 1), lambda: forge.file(SHOP, "x", "main", 9), lambda: forge.may_write(SHOP, "a"))
    for ask in asks:
        with pytest.raises(ForgeRefused, match="is no longer accessible"):
            ask()


def test_404_then_500_is_unavailable_not_gone(server: ScriptedServer, forge: GitHubForge) -> None:
    """L7: the repository must respond before anything counts as gone."""
    server.script = lambda path: Response(404, {"message": "Not Found"}) if "pulls" in path else Response(503, {})
    with pytest.raises(ForgeUnavailable):
        forge.pull(SHOP, 1)


def test_one_broken_repository_does_not_hide_the_others(server: ScriptedServer, clock: FixedClock) -> None:
    """L1, pitfall 5: each independently, and the problem is reported by name."""
    forge = GitHubForge(server.url, "t", ["ada/shop", "ada/lost"], timeout=1, now=clock)
    server.script = lambda path: (
        Response(200, REPO) if path.endswith("shop") else Response(404, {"message": "Not Found"})
    )
    assert [found.full_name for found in forge.repositories()] == ["ada/shop"]
    assert list(forge.problems()) == ["ada/lost"]
    server.script = lambda _: Response(500, {})
    assert [found.full_name for found in forge.repositories()] == ["ada/shop"]
    assert sorted(forge.problems()) == ["ada/lost", "ada/shop"]
    forge.close()


def test_no_repository_can_be_read(server: ScriptedServer, forge: GitHubForge) -> None:
    """L1, pitfall 3: no response isn't an empty list of repositories."""
    server.script = lambda _: Response(500, {})
    pulls: PullList | None = None
    with pytest.raises(ForgeUnavailable):
        pulls = forge.pulls(forge.repositories()[0])
    assert pulls is None


def test_permission_is_requested_once_in_five_minutes(
    server: ScriptedServer, forge: GitHubForge, clock: FixedClock
) -> None:
    """S2, L4."""
    server.script = lambda _: Response(200, {"permission": "write"})
    assert forge.may_write(SHOP, "grace")
    clock.now += 299
    server.script = lambda _: Response(200, {"permission": "read"})
    assert forge.may_write(SHOP, "grace")
    clock.now += 2
    assert not forge.may_write(SHOP, "grace")
    assert len(server.requests) == 2


def test_unknown_user_is_requested_again_soon(server: ScriptedServer, forge: GitHubForge, clock: FixedClock) -> None:
    """S2: a host with problems returns 404, too, and people with write access must not be rejected for minutes; found
    by chaos."""
    server.script = lambda path: Response(404, {}) if "collaborators" in path else Response(200, REPO)
    assert not forge.may_write(SHOP, "grace")
    server.script = lambda _: Response(200, {"permission": "write"})
    assert not forge.may_write(SHOP, "grace")
    clock.now += 21
    assert forge.may_write(SHOP, "grace")


def test_missing_feature_is_tried_again_later(server: ScriptedServer, forge: GitHubForge, clock: FixedClock) -> None:
    """P2: one 404 doesn't end deployments for good."""
    server.script = lambda path: Response(200, REPO) if path == "/repos/ada/shop" else Response(404, {})
    over = DeploymentReport(DeploymentState.INACTIVE, "")
    for _ in range(2):
        with pytest.raises(ForgeUnsupported):
            forge.report_deployment(SHOP, "a" * 40, "shop-42", over)
    asked = len(server.requests)
    clock.now += 601
    server.script = lambda _: Response(200, [])
    forge.report_deployment(SHOP, "a" * 40, "shop-42", over)
    assert (asked, len(server.requests) > asked) == (2, True)


def test_git_gets_the_token_only_for_the_apis_own_host() -> None:
    """S4: a clone URL on another host gets none; the URL itself never contains one."""
    forge = GitHubForge("https://api.github.com", "secret-token", [])
    ours = Repository(7, "ada/shop", "https://github.com/ada/shop.git", "main")
    theirs = Repository(7, "ada/shop", "https://evil.example/ada/shop.git", "main")
    assert forge.git_environment(ours)["GIT_CONFIG_KEY_0"] == "http.https://github.com/.extraHeader"
    assert forge.git_environment(theirs) == {}
    assert "secret-token" not in forge.clone_url(ours)
    forge.close()


@pytest.mark.parametrize("name", ["shop", "ada/shop/x", "ada/../shop", "https://x/ada/shop", "ada/shop?x"])
def test_repository_must_be_owner_and_name(name: str) -> None:
    """Untrusted input gets a clear error."""
    with pytest.raises(ValueError, match="owner/name"):
        GitHubForge("https://api.github.com", "t", [name])
