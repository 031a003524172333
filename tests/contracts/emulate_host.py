"""An independent implementation: npm's emulate, a GitHub that we didn't write, with the verbs of ``forge_hosts``."""

from __future__ import annotations

import base64
import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from orchestrator.core.model.world import CheckState
from orchestrator.demo.free_ports import free_port
from orchestrator.forges.port import Forge
from tests.contracts.forge_hosts import CONCLUSIONS, FILES, ROOT, Clients, Feature

EMULATE_LACKS: Mapping[Feature, str] = {
    "statuses": "emulate 0.11.2 has no commit statuses; our marks go into check runs there",
    "deployments": "emulate 0.11.2 has no deployments; they are left out there, and that is said once",
    "reactions": "emulate 0.11.2 has no reactions",
    "git notes": "emulate 0.11.2 keeps no refs but branches and tags",
    "comments": "emulate 0.11.2 takes the list of a repository's comments for an issue of that name",
    "etags": "emulate 0.11.2 sends no ETag, so nothing is free",
    "changed files": "emulate 0.11.2 makes the names of changed files up",
    "forks": "emulate 0.11.2 makes pull requests from forks only with organisations",
    "pushes": "emulate 0.11.2 keeps the head commit that a pull request was opened with",
    "rename": "emulate 0.11.2 changes a repository's name without telling it under the old one",
}


class EmulateHost:
    unsupported: Mapping[Feature, str] = EMULATE_LACKS
    writer, stranger = "grace", "mallory"

    def __init__(self, url: str, name: str) -> None:
        self.url, self.name = url, name
        self._http = httpx.Client(timeout=60, trust_env=False)
        self._clients = Clients("github")
        self._ask("POST", "/user/repos", {"name": name.partition("/")[2], "auto_init": True})
        for login in ("eph-bot", "grace"):
            self._repo("PUT", f"/collaborators/{login}", {"permission": "push"})
        for path, text in FILES.items():
            self._put("main", path, text)

    def client(self) -> Forge:
        return self._clients.connect(url=self.url, token="token_eph-bot", repositories=[self.name])

    def done(self) -> None:
        self._clients.close()
        self._http.close()

    def push(self, branch: str, files: Mapping[str, str]) -> str:
        known = {item["name"]: item["commit"]["sha"] for item in self._repo("GET", "/branches")}
        if branch not in known:
            self._repo("POST", "/git/refs", {"ref": f"refs/heads/{branch}", "sha": known["main"]})
        for path, text in files.items():
            self._put(branch, path, text)
        return str(self._repo("GET", f"/branches/{branch}")["commit"]["sha"])

    def tag(self, name: str, sha: str, message: str = "") -> None:
        if message:
            said = {"tag": name, "message": message, "object": sha, "type": "commit"}
            sha = self._repo("POST", "/git/tags", said)["sha"]
        self._repo("POST", "/git/refs", {"ref": f"refs/tags/{name}", "sha": sha})

    def note(self, sha: str, text: str, ref: str = "refs/notes/eph") -> None:
        raise NotImplementedError

    def delete_ref(self, name: str) -> None:
        self._repo("DELETE", f"/git/refs/{name}")

    def open_pull(self, branch: str) -> int:
        return int(self._repo("POST", "/pulls", {"title": branch, "head": branch, "base": "main"})["number"])

    def open_from_fork(self, branch: str) -> int:
        raise NotImplementedError

    def label(self, number: int, label: str) -> None:
        self._repo("POST", "/labels", {"name": label, "color": "1d76db"})
        self._repo("POST", f"/issues/{number}/labels", {"labels": [label]})

    def close(self, number: int) -> None:
        self._repo("PATCH", f"/pulls/{number}", {"state": "closed"})

    def reopen(self, number: int) -> None:
        self._repo("PATCH", f"/pulls/{number}", {"state": "open"})

    def merge(self, number: int) -> None:
        self._repo("PUT", f"/pulls/{number}/merge", {})

    def comments(self, number: int) -> list[str]:
        found = self._repo("GET", f"/issues/{number}/comments")
        return [item["body"] for item in found if item["user"]["login"] == "eph-bot"]

    def comment_as_stranger(self, number: int, body: str) -> None:
        self._ask("POST", f"/repos/{self.name}/issues/{number}/comments", {"body": body}, by="grace")

    def set_check(self, sha: str, name: str, state: CheckState) -> None:
        conclusion = CONCLUSIONS[state]
        said = {"status": "completed", "conclusion": conclusion} if conclusion else {"status": "in_progress"}
        self._repo("POST", "/check-runs", {"name": name, "head_sha": sha, **said})

    def set_status(self, sha: str, name: str, state: CheckState) -> None:
        raise NotImplementedError

    def reports(self, sha: str) -> Mapping[str, str]:
        runs = self._repo("GET", f"/commits/{sha}/check-runs")["check_runs"]
        return {run["name"]: run["conclusion"] or run["status"] for run in runs if run["name"].startswith("eph")}

    def comment_as_writer(self, number: int, body: str) -> int:
        said = self._ask("POST", f"/repos/{self.name}/issues/{number}/comments", {"body": body}, by="grace")
        return int(said["id"])

    def edit_comment(self, comment: int, body: str) -> None:
        self._ask("PATCH", f"/repos/{self.name}/issues/comments/{comment}", {"body": body}, by="grace")

    def react_as_other(self, comment: int) -> None:
        raise NotImplementedError

    def reactions(self, comment: int) -> set[str]:
        raise NotImplementedError

    def deployments(self, environment: str) -> Mapping[str, str]:
        raise NotImplementedError

    def environments(self) -> list[str]:
        raise NotImplementedError

    def grant_admin(self) -> None:
        raise NotImplementedError

    def rename(self, to: str) -> None:
        self._repo("PATCH", "", {"name": to.partition("/")[2]})

    def delete_repository(self) -> None:
        self._repo("DELETE", "")

    def _put(self, branch: str, path: str, text: str) -> None:
        content = base64.b64encode(text.encode()).decode()
        said: dict[str, Any] = {"message": "Change", "branch": branch, "content": content}
        before = self._http.get(f"{self.url}/repos/{self.name}/contents/{path}", params={"ref": branch})
        if before.status_code == 200:
            said["sha"] = before.json()["sha"]
        self._repo("PUT", f"/contents/{path}", said)

    def _repo(self, method: str, path: str, payload: Any = None) -> Any:
        return self._ask(method, f"/repos/{self.name}{path}", payload)

    def _ask(self, method: str, path: str, payload: Any = None, by: str = "ada") -> Any:
        headers = {"Authorization": f"token token_{by}"}
        answer = self._http.request(method, f"{self.url}{path}", json=payload, headers=headers)
        assert answer.status_code < 400 or answer.status_code == 422, answer.text
        return answer.json() if answer.content else None


SEED = """
tokens:
  token_ada: {login: ada, scopes: [repo, user]}
  token_eph-bot: {login: eph-bot, scopes: [repo, user]}
  token_grace: {login: grace, scopes: [repo, user]}
github:
  users: [{login: ada}, {login: eph-bot}, {login: grace}, {login: mallory}]
"""


def require_npm() -> None:
    if shutil.which("npm") is None:
        pytest.skip("emulate needs Node 20 and npm, which are not on this machine")


@contextmanager
def emulate(folder: Path, config: str = SEED, service: str = "github", port: int = 0) -> Iterator[str]:
    """Installed from npm the first time, then from the cache. Starts on a free port; only that process is killed."""
    require_npm()
    done = subprocess.run([ROOT / "infra/toolchain/emulate.sh"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    command = Path(done.stdout.strip())
    seed, port = folder / "seed.yaml", port or free_port()
    seed.write_text(config)
    arguments = [str(command), "start", "--service", service, "--port", str(port), "--seed", str(seed)]
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder)}
    with (folder / "emulate.log").open("wb") as out:
        process = subprocess.Popen(arguments, stdout=out, stderr=out, cwd=folder, env=environment)
    try:
        _wait_until_ready(f"http://localhost:{port}", process, folder / "emulate.log")
        yield f"http://localhost:{port}"
    finally:
        process.terminate()
        try:
            process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_until_ready(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + 30
    with httpx.Client(trust_env=False) as client:
        while time.monotonic() < end and process.poll() is None:
            try:
                client.get(f"{url}/rate_limit")
            except httpx.HTTPError:
                time.sleep(0.05)
                continue
            return
    raise AssertionError(f"emulate did not answer at {url}: {log.read_text()}")
