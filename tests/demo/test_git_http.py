"""Git over HTTP in the sandbox: people clone and push with plain git, and nobody else pushes. Issue 18, S1, L1."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from orchestrator.demo.git_hosts import DemoGitHubHost
from orchestrator.demo.github.demo_github import WebhookConfig

APP = "acme/app"


@pytest.fixture
def host(tmp_path: Path) -> Iterator[DemoGitHubHost]:
    secret = tmp_path / "webhook.secret"
    secret.write_text("s")
    made = DemoGitHubHost(tmp_path / "sandbox", WebhookConfig("http://127.0.0.1:9/", secret))
    made.start(process=False)
    made.create_repository(APP, {"README.md": "# App\n"})
    yield made
    made.close()


@pytest.fixture
def browser(host: DemoGitHubHost) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=host.url, headers={"Origin": host.url}, follow_redirects=True) as made:
        yield made


def git(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    who = ["-c", "user.name=ada", "-c", "user.email=ada@example.com", "-c", "commit.gpgsign=false"]
    environment = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(folder), "GIT_TERMINAL_PROMPT": "0"}
    return subprocess.run(["git", "-C", folder, *who, *arguments], capture_output=True, text=True, env=environment)


def remote(host: DemoGitHubHost, login: str, repository: str = APP) -> str:
    return host.remote(repository).replace(host.token("ada"), host.token(login))


def clone(host: DemoGitHubHost, folder: Path) -> Path:
    assert git(folder, "clone", "--quiet", f"{host.url}/{APP}.git", "clone").returncode == 0
    made = folder / "clone"
    git(made, "switch", "--quiet", "--create", "topic")
    git(made, "commit", "--quiet", "--allow-empty", "-m", "more")
    return made


def test_anyone_clones_and_the_owner_pushes(host: DemoGitHubHost, tmp_path: Path) -> None:
    made = clone(host, tmp_path)
    assert (made / "README.md").read_text() == "# App\n"
    done = git(made, "push", host.remote(APP), "topic")
    assert done.returncode == 0, done.stderr
    assert host.open_pull(APP, "topic") == 1
    assert host.pull(APP, 1)["head"]["sha"] == git(made, "rev-parse", "HEAD").stdout.strip()


def test_large_push_and_fetch_arrive_whole(host: DemoGitHubHost, tmp_path: Path) -> None:
    """More than fits into memory's share, and a request that git compresses."""
    made = clone(host, tmp_path)
    (made / "large").write_bytes(bytes(range(256)) * 12_000)
    for number in range(150):
        git(made, "tag", f"t{number}")
    git(made, "add", "large")
    git(made, "commit", "--quiet", "-m", "large")
    assert git(made, "push", "--tags", host.remote(APP), "topic").returncode == 0
    assert git(tmp_path, "clone", "--quiet", "--branch", "topic", f"{host.url}/{APP}.git", "again").returncode == 0
    assert (tmp_path / "again/large").read_bytes() == (made / "large").read_bytes()
    git(made, "commit", "--quiet", "--allow-empty", "-m", "more")
    assert git(made, "push", host.remote(APP), "topic").returncode == 0
    assert git(tmp_path / "again", "fetch", "--quiet").returncode == 0


@pytest.mark.parametrize("login", ["mallory", "linus"])
def test_push_needs_write_access(host: DemoGitHubHost, tmp_path: Path, login: str) -> None:
    made = clone(host, tmp_path)
    assert git(made, "push", f"{host.url}/{APP}.git", "topic").returncode != 0
    assert git(made, "push", remote(host, login), "topic").returncode != 0
    with pytest.raises(Exception, match="no branch"):
        host.open_pull(APP, "topic")


def test_private_repository_is_hidden_from_strangers(host: DemoGitHubHost, tmp_path: Path) -> None:
    host.create_repository("acme/secret", {"a": "b"}, private=True)
    assert git(tmp_path, "ls-remote", f"{host.url}/acme/secret.git").returncode != 0
    assert git(tmp_path, "ls-remote", remote(host, "mallory", "acme/secret")).returncode != 0
    assert git(tmp_path, "ls-remote", remote(host, "grace", "acme/secret")).returncode == 0


def test_pull_request_refs_and_other_services_are_refused(host: DemoGitHubHost, tmp_path: Path) -> None:
    """A push to refs/pull would change what Eph builds without a pull request's owner."""
    made = clone(host, tmp_path)
    assert git(made, "push", host.remote(APP), "topic:refs/pull/1/head").returncode != 0
    assert httpx.get(f"{host.url}/{APP}.git/info/refs").status_code == 403
    assert httpx.post(f"{host.url}/{APP}.git/git-shell").status_code == 403
    assert httpx.get(f"{host.url}/acme/none.git/info/refs?service=git-upload-pack").status_code == 404


def test_request_that_is_not_gzip_is_refused(host: DemoGitHubHost) -> None:
    headers = {"Content-Encoding": "gzip"}
    assert httpx.post(f"{host.url}/{APP}.git/git-upload-pack", content=b"xx", headers=headers).status_code == 400


def test_new_repository_by_its_button_takes_the_first_push(
    host: DemoGitHubHost, browser: httpx.Client, tmp_path: Path
) -> None:
    """Issue 18: own app in ten minutes; the page shows the commands that work."""
    page = browser.post("/new", data={"name": "shop"})
    assert f"git remote add eph http://ada@{page.url.netloc.decode()}/acme/shop.git" in page.text
    git(tmp_path, "init", "--quiet", "--initial-branch=trunk", "mine")
    git(tmp_path / "mine", "commit", "--quiet", "--allow-empty", "-m", "first")
    assert git(tmp_path / "mine", "push", host.remote("acme/shop"), "HEAD:main").returncode == 0
    git(tmp_path / "mine", "commit", "--quiet", "--allow-empty", "-m", "second")
    git(tmp_path / "mine", "push", host.remote("acme/shop"), "HEAD:my-branch")
    assert "my-branch" in browser.get("/acme/shop").text
    page = browser.post("/acme/shop/pulls", data={"title": "Mine", "branch": "my-branch", "label": "preview"})
    assert [item["name"] for item in host.pull("acme/shop", 1)["labels"]] == ["preview"]
    assert "Mine" in page.text


@pytest.mark.parametrize("name", ["app", "a/b", "../x", "", "x.git"])
def test_new_repository_needs_a_free_and_valid_name(browser: httpx.Client, name: str) -> None:
    assert browser.post("/new", data={"name": name}).status_code == 422


def test_fork_opens_its_pull_request_at_the_parent_as_its_owner(host: DemoGitHubHost, browser: httpx.Client) -> None:
    """S2: a stranger's change comes from a fork, and is a stranger's."""
    assert "A fork of" in browser.post(f"/{APP}/fork", data={"owner": "mallory"}).text
    change = {"title": "Trust me", "branch": "evil", "path": "a.txt", "content": "a"}
    browser.post("/mallory/app/pulls", data=change)
    pull = host.pull(APP, 1)
    assert (pull["user"]["login"], pull["head"]["repo"]["full_name"]) == ("mallory", "mallory/app")
    assert browser.post(f"/{APP}/fork", data={"owner": "ada"}).status_code == 422
