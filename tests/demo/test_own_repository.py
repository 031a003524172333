"""``eph demo --repo PATH``: a person's commits with a pull request, and a folder that is only read. Issue 18, P5."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.demo import own_repository
from orchestrator.demo.git_hosts import DemoGitHubHost
from orchestrator.demo.github.demo_github import WebhookConfig
from orchestrator.demo.own_repository import FIRST_BRANCH, RepositoryUnusable
from tests.file_trees import all_files


@pytest.fixture
def host(tmp_path: Path) -> Iterator[DemoGitHubHost]:
    secret = tmp_path / "webhook.secret"
    secret.write_text("s")
    made = DemoGitHubHost(tmp_path / "sandbox", WebhookConfig("http://127.0.0.1:9/", secret))
    made.start(process=False)
    yield made
    made.close()


def git(folder: Path, *arguments: str) -> str:
    who = ["-c", "user.name=ada", "-c", "user.email=ada@example.com", "-c", "commit.gpgsign=false"]
    return subprocess.run(["git", "-C", folder, *who, *arguments], capture_output=True, text=True, check=True).stdout


@pytest.fixture
def app(tmp_path: Path) -> Path:
    folder = tmp_path / "My app"
    folder.mkdir()
    git(folder, "init", "--quiet", "--initial-branch=master")
    (folder / "requirements.txt").write_text("Flask==3.1.2\npsycopg[binary]==3.2.10\n")
    (folder / "app.py").write_text("app = None\n")
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "-m", "first")
    return folder


def file(host: DemoGitHubHost, repository: str, ref: str) -> str:
    return git(host.git_dir(repository), "show", f"{ref}:eph.yaml")


def test_without_eph_yaml_the_pull_request_adds_one_and_the_folder_is_only_read(
    host: DemoGitHubHost, app: Path
) -> None:
    before = {path: path.read_bytes() for path in all_files(app)}
    own = own_repository.inspect(app)
    assert (own.name, own.default, own.topic) == ("acme/My-app", "master", "")
    assert own_repository.add_to(host, own) == {FIRST_BRANCH: 1}
    written = file(host, own.name, FIRST_BRANCH)
    assert ".venv/bin/flask --app app run" in written
    assert "- name: main" in written
    assert {path: path.read_bytes() for path in all_files(app)} == before


def test_checked_out_branch_becomes_the_pull_request(host: DemoGitHubHost, app: Path) -> None:
    git(app, "switch", "--quiet", "--create", "topic")
    (app / "eph.yaml").write_text("version: '1.0'\n")
    git(app, "add", ".")
    git(app, "commit", "--quiet", "-m", "mine")
    own = own_repository.inspect(app / ".git" / "..")
    assert own_repository.add_to(host, own) == {"topic": 1}
    assert host.pull(own.name, 1)["head"]["sha"] == git(app, "rev-parse", "HEAD").strip()


def test_eph_yaml_on_the_default_branch_is_tried_as_it_is(host: DemoGitHubHost, app: Path) -> None:
    (app / "eph.yaml").write_text("version: '1.0'\n")
    git(app, "add", ".")
    git(app, "commit", "--quiet", "-m", "mine")
    own = own_repository.inspect(app)
    assert own_repository.add_to(host, own) == {FIRST_BRANCH: 1}
    assert file(host, own.name, FIRST_BRANCH) == "version: '1.0'\n"


def test_uncommitted_changes_are_noticed(app: Path) -> None:
    assert not own_repository.inspect(app).dirty
    (app / "app.py").write_text("changed\n")
    assert own_repository.inspect(app).dirty


@pytest.mark.parametrize("what", ["missing", "plain", "empty"])
def test_unusable_folder_says_what_to_do(tmp_path: Path, what: str) -> None:
    folder = tmp_path / what
    if what != "missing":
        folder.mkdir()
    if what == "empty":
        git(folder, "init", "--quiet")
    with pytest.raises(RepositoryUnusable, match={"plain": "git init", "empty": "Commit"}.get(what, "isn't a folder")):
        own_repository.inspect(folder)
