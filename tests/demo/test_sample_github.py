"""The sandbox itself: what the demo and every story on it lean on. Rows: L1, L2, L4, P1, P2, S1, S3."""

from __future__ import annotations

import http.server
import json
import queue
import re
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from orchestrator.core.model.world import CheckState
from orchestrator.demo.github.demo_github import DemoGitHub, DemoGitHubError, WebhookConfig
from orchestrator.demo.github.pages.render_markdown import render
from orchestrator.forges.github.github_forge import GitHubForge
from orchestrator.forges.github.webhooks import webhook_events
from orchestrator.forges.port import CheckReport, Conclusion, ForgeUnavailable
from stacks import keys

SHOP = "ada/shop"
MARKER = "<!-- eph -->"
READY = CheckReport(Conclusion.SUCCESS, "Ready", "It answers")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[DemoGitHub]:
    made = DemoGitHub(tmp_path / "sandbox")
    made.start()
    made.create_repository(SHOP, {"README.md": "# Shop\n"})
    yield made
    made.close()


@pytest.fixture
def forge(world: DemoGitHub) -> Iterator[GitHubForge]:
    made = GitHubForge(world.api_url, world.token("eph-bot"), [SHOP])
    yield made
    made.close()


@pytest.fixture
def number(world: DemoGitHub) -> int:
    world.push(SHOP, "one", {"message.txt": "one\n"})
    return world.open_pull(SHOP, "one")


def git(folder: Path, *arguments: str) -> str:
    who = ["-c", "user.name=ada", "-c", "user.email=ada@example.com", "-c", "commit.gpgsign=false"]
    done = subprocess.run(["git", "-C", folder, *who, *arguments], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_a_push_by_plain_git_is_seen(world: DemoGitHub, forge: GitHubForge, number: int, tmp_path: Path) -> None:
    """L1: clones and pushes are git's own; a force push and the pull request's own ref too."""
    [shop] = forge.repositories()
    git(tmp_path, "clone", "--quiet", forge.clone_url(shop), "clone")
    clone = tmp_path / "clone"
    git(clone, "checkout", "--quiet", "one")
    for extra in ([], ["--amend"]):
        git(clone, "commit", "--quiet", "--allow-empty", "-m", "more", *extra)
        git(clone, "push", "--quiet", "--force", "origin", "one")
        sha = git(clone, "rev-parse", "HEAD")
        assert forge.pull(shop, number).head_sha == sha
        assert sha in git(clone, "ls-remote", "origin", f"refs/pull/{number}/head")


@pytest.mark.real
def test_kill_9_loses_nothing(tmp_path: Path) -> None:
    """L2: everything that was answered is there after a kill, under the same ids and tokens."""
    world = DemoGitHub(tmp_path / "sandbox")
    world.start(process=True)
    home = world.create_repository(SHOP, {"README.md": "# Shop\n"})
    sha = world.push(SHOP, "one", {"message.txt": "one\n"})
    number = world.open_pull(SHOP, "one")
    world.label(SHOP, number, "preview")
    world.comment(SHOP, number, "hello")
    world.set_status(SHOP, sha, "ci/build", "success")
    token = world.token("eph-bot")
    world.kill()
    world.start(process=True)
    forge = GitHubForge(world.api_url, token, [SHOP])
    [shop] = forge.repositories()
    [pull] = forge.pulls(shop).open
    assert (shop.id, pull.key, pull.head_sha, pull.labels) == (
        home,
        keys.pull_request(home, number),
        sha,
        frozenset({"preview"}),
    )
    assert forge.checks(shop, sha) == {"ci/build": CheckState.PASSED}
    assert [item["body"] for item in world.comments(SHOP, number)] == ["hello"]
    forge.close()
    world.close()


def test_two_comments_by_a_race_become_the_oldest(world: DemoGitHub, forge: GitHubForge, number: int) -> None:
    """P1: two replicas made one each; the newer goes."""
    [shop] = forge.repositories()
    first = world.comment(SHOP, number, f"{MARKER}\nfrom one", by="eph-bot")
    world.comment(SHOP, number, f"{MARKER}\nfrom the other", by="eph-bot")
    forge.upsert_comment(shop, number, MARKER, f"{MARKER}\nnow")
    [left] = world.comments(SHOP, number)
    assert (left["id"], left["body"]) == (first, f"{MARKER}\nnow")


def test_a_comment_that_somebody_deleted_is_made_again(world: DemoGitHub, forge: GitHubForge, number: int) -> None:
    """P1."""
    [shop] = forge.repositories()
    forge.upsert_comment(shop, number, MARKER, f"{MARKER}\none")
    [made] = world.comments(SHOP, number)
    world.api("DELETE", f"/repos/{SHOP}/issues/comments/{made['id']}")
    forge.upsert_comment(shop, number, MARKER, f"{MARKER}\ntwo")
    assert [item["body"] for item in world.comments(SHOP, number)] == [f"{MARKER}\ntwo"]


def test_saying_the_same_again_sends_nothing(world: DemoGitHub, forge: GitHubForge, number: int) -> None:
    """P1, P2, L4, pitfall 8: neither the comment nor the check is written twice."""
    [shop] = forge.repositories()
    sha = forge.pull(shop, number).head_sha
    forge.upsert_comment(shop, number, MARKER, f"{MARKER}\none")
    forge.report_check(shop, sha, "eph", READY)
    before = world.stats()["requests"]
    forge.upsert_comment(shop, number, MARKER, f"{MARKER}\none\n")
    forge.report_check(shop, sha, "eph", READY)
    assert world.stats()["requests"] == before


@pytest.mark.parametrize("status", [403, 404])
def test_without_check_runs_it_is_a_status(world: DemoGitHub, forge: GitHubForge, number: int, status: int) -> None:
    """P2: a plain token may not create check runs on github.com; that is asked once, then remembered."""
    [shop] = forge.repositories()
    sha = forge.pull(shop, number).head_sha
    world.fail_next(status=status, body='{"message": "Not for you"}', path="/check-runs")
    forge.report_check(shop, sha, "eph", CheckReport(Conclusion.IN_PROGRESS, "Creating", ""))
    assert world.checks(SHOP, sha) == {"eph": "pending"}
    forge.report_check(shop, sha, "eph", READY)
    assert world.checks(SHOP, sha) == {"eph": "success"}
    assert world.api("GET", f"/repos/{SHOP}/commits/{sha}/check-runs")["total_count"] == 0


def test_somebody_elses_mark_is_not_a_decision(world: DemoGitHub, forge: GitHubForge, number: int) -> None:
    """S3: only what we wrote ourselves expires an environment."""
    [shop] = forge.repositories()
    sha = forge.pull(shop, number).head_sha
    world.set_status(SHOP, sha, "eph/expired", "success", by="grace")
    assert forge.decisions(shop, sha) == {}


def test_an_exhausted_quota_answers_as_githubs(world: DemoGitHub, forge: GitHubForge) -> None:
    """L4."""
    [shop] = forge.repositories()
    world.set_quota(forge.usage().limit - forge.usage().remaining)
    with pytest.raises(ForgeUnavailable, match="rate limit") as caught:
        forge.pull(shop, 99)
    assert caught.value.retry_after is not None
    assert 3000 < caught.value.retry_after <= 3600


def test_strangers_are_kept_out(world: DemoGitHub) -> None:
    """S1: wrong tokens, readers who write, and whoever would play the world without the owner's token."""
    with pytest.raises(DemoGitHubError, match="403"):
        world.set_status(SHOP, "main", "x", "success", by="linus")
    url = f"{world.url}/_sandbox/do/delete_repository"
    answers = [httpx.post(url, json={"repository": SHOP}), httpx.get(f"{world.api_url}/user")]
    answers.append(httpx.get(f"{world.api_url}/user", headers={"Authorization": "token wrong"}))
    assert [answer.status_code for answer in answers] == [403, 401, 401]


class WebhookReceiver:
    """A server that hears webhooks."""

    def __init__(self) -> None:
        self.received: queue.Queue[tuple[str, str, bytes]] = queue.Queue()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.received.put((self.headers["X-GitHub-Event"], self.headers["X-Hub-Signature-256"], body))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *said: object) -> None:
                return

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/hook"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()

    def wait_for(self, action: str) -> tuple[str, str, bytes]:
        while True:
            event, signed, body = self.received.get(timeout=60)
            if json.loads(body).get("action", event) == action:
                return event, signed, body

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def test_webhooks_are_signed_and_name_the_pull_request(tmp_path: Path) -> None:
    """L1, S1: the sandbox's webhooks pass the production client's check, whoever makes the change."""
    ear = WebhookReceiver()
    secret = tmp_path / "secret"
    secret.write_text("quiet\n")
    world = DemoGitHub(tmp_path / "sandbox", WebhookConfig(ear.url, secret))
    world.start()
    home = world.create_repository(SHOP, {"README.md": "# Shop\n"})
    world.push(SHOP, "one", {"message.txt": "one\n"})
    number = world.open_pull(SHOP, "one")
    world.label(SHOP, number, "preview")
    world.push(SHOP, "one", {"message.txt": "two\n"})
    world.close_pull(SHOP, number)
    for action in ("opened", "labeled", "synchronize", "closed"):
        event, signed, body = ear.wait_for(action)
        assert webhook_events.verify(b"quiet", body, signed)
        assert webhook_events.key_of(event, body) == keys.pull_request(home, number)
    world.close()
    ear.close()


def test_people_can_do_it_all_without_javascript(world: DemoGitHub, forge: GitHubForge) -> None:
    """Issue 3 item 7: open, label, push, comment, close by plain forms."""
    [shop] = forge.repositories()
    with httpx.Client(base_url=world.url, headers={"Origin": world.url}, follow_redirects=True) as browser:
        said = {
            "title": "Greener",
            "branch": "green",
            "path": "message.txt",
            "content": "green\r\n",
            "label": "preview",
        }
        page = browser.post(f"/{SHOP}/pulls", data=said)
        assert page.status_code == 200
        [pull] = forge.pulls(shop).open
        assert (pull.title, pull.labels) == ("Greener", frozenset({"preview"}))
        assert forge.file(shop, "message.txt", pull.head_sha, 100) == b"green\n"
        here = f"/{SHOP}/pull/{pull.key.number}"
        browser.post(f"{here}/push", data={"path": "message.txt", "content": "greener"})
        browser.post(f"{here}/unlabel", data={"label": "preview"})
        page = browser.post(f"{here}/comment", data={"body": "<script>alert(1)</script> **hello**"})
        assert "<strong>hello</strong>" in page.text
        assert "<script" not in page.text
        [pull] = forge.pulls(shop).open
        assert pull.labels == frozenset()
        assert forge.file(shop, "message.txt", pull.head_sha, 100) == b"greener\n"
        browser.post(f"{here}/close")
        assert forge.pulls(shop).open == ()
        assert SHOP in browser.get("/").text


@pytest.mark.parametrize(
    "headers",
    [{}, {"Origin": "https://evil.example"}, {"Origin": "null"}, {"Origin": "{own}", "Sec-Fetch-Site": "cross-site"},
     {"Origin": "http://evil.example:{port}", "Host": "evil.example:{port}"}],
    ids=["no origin", "another site", "sandboxed frame", "browser says so", "rebound name"],
)  # fmt: skip
def test_another_site_cannot_use_the_forms(
    world: DemoGitHub, forge: GitHubForge, number: int, headers: dict[str, str]
) -> None:
    """S1: same origin only."""
    port = world.url.rpartition(":")[2]
    filled = {name: value.format(own=world.url, port=port) for name, value in headers.items()}
    answer = httpx.post(f"{world.url}/{SHOP}/pull/{number}/close", headers=filled)
    assert answer.status_code == 403
    assert len(forge.pulls(forge.repositories()[0]).open) == 1


@pytest.mark.parametrize(
    "path", ["../x", "a/../../x", "/etc/passwd", ".git/config", "a//b", "a\nb", ""], ids=lambda path: repr(path)
)
def test_paths_stay_in_the_repository(world: DemoGitHub, path: str) -> None:
    """S3."""
    with pytest.raises(DemoGitHubError, match="not a path"):
        world.push(SHOP, "one", {path: "x"})


@pytest.mark.parametrize("branch", ["-x", "a..b", "a b", "x.lock", "--upload-pack=evil", "a~1", ""])
def test_branches_are_never_options(world: DemoGitHub, branch: str) -> None:
    """S3."""
    with pytest.raises(DemoGitHubError, match=r"422 .*GitError"):
        world.push(SHOP, branch, {"x": "x"})


@pytest.mark.parametrize(
    "text",
    ["<img src=x onerror=alert(1)>", "[x](javascript:alert(1))", "<details onclick=x>", "![x](javascript:x)",
     "<!-- <b> --><script>x</script>", "<details><script>x</script></details>"],
)  # fmt: skip
def test_markdown_does_no_harm(text: str) -> None:
    """S3."""
    html = str(render(text))
    tags = set(re.findall(r"<\s*/?\s*(\w+)([^>]*)>", html))
    assert {name for name, _ in tags} <= {"p", "details", "summary"}
    assert not any(rest.strip() for _, rest in tags)


def test_bare_addresses_are_links() -> None:
    """P1: the URL in the comment can be clicked, and what stands in code cannot."""
    html = str(render("At http://a.localhost:8080/x?y=1&z=2. See `http://b.example` and [this](http://c.example)."))
    assert re.findall(r'href="([^"]*)"', html) == ["http://a.localhost:8080/x?y=1&amp;z=2", "http://c.example"]
