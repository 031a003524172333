"""The npm package emulate as the demo's Git host: a GitHub written by others, where Eph is a GitHub App.

It is started with a seed of users and the App; everything else uses its API. It has no git server, but its commits have
the ids that git gives them. So every commit is also created in a mirror, from which Eph fetches (``forge.clone_url``),
and the ids are compared.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from orchestrator.demo.emulate import wording
from orchestrator.demo.emulate.git_mirror import FILE_MODE, GitMirror, GitPerson, MirrorCommit
from orchestrator.demo.github.demo_github import DemoGitHubError, WebhookConfig

START_TIMEOUT = 30.0
INSTALL_TIMEOUT = 600.0
APP, SLUG, INSTALLATION = 4711, "eph-previews", 99
PERMISSIONS = {"contents": "read", "pull_requests": "write", "issues": "write", "checks": "write", "metadata": "read"}
EVENTS = ["pull_request", "issue_comment", "push"]
_SCRIPT = Path(__file__).parents[3] / "infra" / "toolchain" / "emulate.sh"


class EmulateUnavailable(Exception):
    """emulate can't be installed here; the message says what to do."""


def install() -> Path:
    """Install the program into the cache, unless it is there, and return its path."""
    if not _SCRIPT.is_file():
        raise EmulateUnavailable(wording.NO_SOURCE_TREE)
    if shutil.which("npm") is None or shutil.which("node") is None:
        raise EmulateUnavailable(wording.NO_NODE)
    done = subprocess.run([str(_SCRIPT)], capture_output=True, text=True, timeout=INSTALL_TIMEOUT, check=False)
    if done.returncode != 0:
        raise EmulateUnavailable(wording.emulate_install_failed(done.stderr.strip()[-500:]))
    return Path(done.stdout.strip())


class EmulateHost:
    """Implements ``GitHost``. ``owner`` owns the repository, has installed the App, and performs every action."""

    owner = "acme"
    bot = f"{SLUG}[bot]"
    branch_glob = "live/*"
    limitation = wording.NO_PUSHES_TO_PULLS

    def __init__(self, root: Path, program: Path, webhook: WebhookConfig) -> None:
        self.root, self._program, self._webhook = root, program, webhook
        self.url = self.api_url = ""
        self._process: subprocess.Popen[bytes] | None = None
        self._client = httpx.Client(timeout=30, trust_env=False)
        self._mirrors: dict[str, GitMirror] = {}

    def start(self, port: int) -> None:
        self.root.mkdir(parents=True)
        self.url = self.api_url = f"http://localhost:{port}"
        (self.root / "app.pem").write_text(_private_key())
        (self.root / "app.pem").chmod(0o600)
        seed = self.root / "seed.yaml"
        seed.write_text(json.dumps(self._seed()))  # JSON is YAML
        seed.chmod(0o600)
        words = [str(self._program), "start", "--service", "github", "--port", str(port), "--seed", str(seed)]
        env = {"PATH": os.environ["PATH"], "HOME": str(self.root)}
        with (self.root / "emulate.log").open("wb") as out:
            self._process = subprocess.Popen(
                words, cwd=self.root, env=env, stdin=subprocess.DEVNULL, stdout=out, stderr=out
            )
        self._wait_started(self._process)

    def close(self) -> None:
        self._client.close()
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def forge_settings(self) -> dict[str, Any]:
        """Eph authenticates as the App, and fetches commits from the mirror."""
        return {
            "kind": "github",
            "url": self.api_url,
            "app_id": str(APP),
            "private_key_file": self.root / "app.pem",
            "clone_url": f"{self.root}/{{full_name}}.git",
        }

    def create_repository(self, name: str, files: Mapping[str, str]) -> int:
        made = self._api("POST", "/user/repos", {"name": name.partition("/")[2]})
        self._mirrors[name] = GitMirror(self.root / f"{name}.git")
        self.push(name, "main", files, "A shop")
        return int(made["id"])

    def push(self, repository: str, branch: str, files: Mapping[str, str], message: str = "") -> str:
        """Push to the mirror first, so that Eph finds there every commit that the API reports."""
        mirror, git = self._mirrors[repository], f"/repos/{repository}/git"
        old = mirror.head(branch)
        parent = old or mirror.head("main")
        by = GitPerson(self.owner, f"{self.owner}@example.com")
        tree = mirror.tree(parent, files)
        made = MirrorCommit(
            tree, (parent,) if parent else (), message or "Change", by, datetime.now(UTC).replace(microsecond=0)
        )
        sha = mirror.commit(made)
        mirror.set_branch(branch, sha)
        self._check_same_id(sha, self._create_remote_commit(repository, made, files))
        if old:
            self._api("PATCH", f"{git}/refs/heads/{branch}", {"sha": sha})
        else:
            self._api("POST", f"{git}/refs", {"ref": f"refs/heads/{branch}", "sha": sha})
        return sha

    def update_branch(self, repository: str, number: int) -> str:
        """Merge the base into the pull request, as GitHub's "Update branch" does, and return the new head."""
        self._api("PUT", f"/repos/{repository}/pulls/{number}/update-branch", {})
        head = self.pull(repository, number)["head"]
        shown = self._api("GET", f"/repos/{repository}/git/commits/{head['sha']}")
        parents = tuple(parent["sha"] for parent in shown["parents"])
        by = GitPerson(shown["author"]["name"], shown["author"]["email"])
        at = datetime.fromisoformat(shown["author"]["date"])
        mirror = self._mirrors[repository]
        sha = mirror.commit(MirrorCommit(shown["tree"]["sha"], parents, shown["message"], by, at))
        mirror.set_branch(head["ref"], sha)
        self._check_same_id(sha, str(head["sha"]))
        return sha

    def open_pull(self, repository: str, branch: str, title: str = "") -> int:
        said = {"title": title or branch, "head": branch, "base": "main"}
        return int(self._api("POST", f"/repos/{repository}/pulls", said)["number"])

    def label(self, repository: str, number: int, *labels: str) -> None:
        self._api("POST", f"/repos/{repository}/issues/{number}/labels", {"labels": list(labels)})

    def unlabel(self, repository: str, number: int, label: str) -> None:
        self._api("DELETE", f"/repos/{repository}/issues/{number}/labels/{label}")

    def close_pull(self, repository: str, number: int) -> None:
        self._api("PATCH", f"/repos/{repository}/pulls/{number}", {"state": "closed"})

    def pull(self, repository: str, number: int) -> dict[str, Any]:
        return dict(self._api("GET", f"/repos/{repository}/pulls/{number}"))

    def comments(self, repository: str, number: int) -> list[dict[str, Any]]:
        return list(self._api("GET", f"/repos/{repository}/issues/{number}/comments?per_page=100"))

    def checks(self, repository: str, sha: str) -> dict[str, str]:
        """emulate has check runs, but no statuses."""
        runs = self._api("GET", f"/repos/{repository}/commits/{sha}/check-runs?per_page=100")["check_runs"]
        return {run["name"]: run["conclusion"] or run["status"] for run in runs}

    def reports(self, repository: str, sha: str) -> dict[str, str]:
        """Title and summary of each check run, by name."""
        runs = self._api("GET", f"/repos/{repository}/commits/{sha}/check-runs?per_page=100")["check_runs"]
        return {run["name"]: f"{run['output']['title']}\n{run['output']['summary']}" for run in runs}

    def delete_branch(self, repository: str, branch: str) -> None:
        self._api("DELETE", f"/repos/{repository}/git/refs/heads/{branch}")

    def _create_remote_commit(self, repository: str, commit: MirrorCommit, files: Mapping[str, str]) -> str:
        git = f"/repos/{repository}/git"
        for text in files.values():
            content = base64.b64encode(text.encode()).decode()
            self._api("POST", f"{git}/blobs", {"content": content, "encoding": "base64"})
        blobs = self._mirrors[repository].blobs(commit.tree)
        entries = [{"path": path, "mode": FILE_MODE, "type": "blob", "sha": blob} for path, blob in blobs.items()]
        tree = self._api("POST", f"{git}/trees", {"tree": entries})["sha"]
        self._check_same_id(commit.tree, tree)
        person = {"name": commit.author.name, "email": commit.author.email, "date": commit.date.isoformat()}
        said = {"message": commit.message, "tree": tree, "parents": commit.parents}
        return str(self._api("POST", f"{git}/commits", {**said, "author": person, "committer": person})["sha"])

    def _check_same_id(self, ours: str, theirs: str) -> None:
        if ours != theirs:
            raise DemoGitHubError(wording.different_ids(ours, theirs))

    def _seed(self) -> dict[str, Any]:
        app = {
            "app_id": APP,
            "slug": SLUG,
            "name": SLUG,
            "private_key": (self.root / "app.pem").read_text(),
            "webhook_url": self._webhook.url,
            "webhook_secret": self._webhook.secret_file.read_text().strip(),
            "events": EVENTS,
            "permissions": PERMISSIONS,
            "installations": [{"installation_id": INSTALLATION, "account": self.owner}],
        }
        tokens = {f"token_{self.owner}": {"login": self.owner, "scopes": ["repo", "user"]}}
        return {"tokens": tokens, "github": {"users": [{"login": self.owner}], "apps": [app]}}

    def _api(self, method: str, path: str, body: Any = None) -> Any:
        headers = {"Authorization": f"token token_{self.owner}"}
        answer = self._client.request(method, f"{self.api_url}{path}", json=body, headers=headers)
        if answer.is_error:
            raise DemoGitHubError(wording.emulate_failed(method, path, answer.status_code, answer.text[:500]))
        return answer.json() if answer.content else None

    def _wait_started(self, process: subprocess.Popen[bytes]) -> None:
        end = time.monotonic() + START_TIMEOUT
        while time.monotonic() < end and process.poll() is None:
            try:
                self._client.get(f"{self.url}/rate_limit")
            except httpx.HTTPError:
                time.sleep(0.05)
                continue
            return
        raise DemoGitHubError(wording.emulate_not_started(self.url, (self.root / "emulate.log").read_text()[-500:]))


def _private_key() -> str:
    made = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    form = serialization.PrivateFormat.PKCS8
    return made.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()).decode()
