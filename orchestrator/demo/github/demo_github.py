"""Starts a sandbox and speaks to it in the world's verbs: what the demo and the tests stand on.

Everything goes over HTTP, so it makes no difference whether the sandbox runs in a thread (``start``), in a process of
its own (``start(process=True)``, which survives nothing and loses nothing), or was there before (``attach``).
"""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import uvicorn

from orchestrator.demo.free_ports import free_port
from orchestrator.demo.github import wording
from orchestrator.demo.github.github_server import GitHubServer
from orchestrator.demo.github.webhook_sender import WebhookTarget

Files = Mapping[str, str | bytes | None]
START_SECONDS = 60.0


class DemoGitHubError(Exception):
    """The sandbox did not do what the world wanted; the message is its own."""


@dataclass(frozen=True, slots=True)
class WebhookConfig:
    url: str
    secret_file: Path

    def target(self) -> WebhookTarget:
        return WebhookTarget(self.url, self.secret_file.read_text().strip(), frozenset({"*"}))


class DemoGitHub:
    """``owner`` acts where nothing else is said; ``token(login)`` is what anybody's client needs."""

    owner = "ada"

    def __init__(self, root: Path, webhook: WebhookConfig | None = None) -> None:
        self.root, self._webhook = root, webhook
        self.url = ""
        self.pid = 0
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._client = httpx.Client(timeout=30, trust_env=False)

    def start(self, port: int = 0, process: bool = False) -> str:
        """The URL for people; clients take ``api_url``."""
        port = port or free_port()
        self.url = f"http://127.0.0.1:{port}"
        self.root.mkdir(parents=True, exist_ok=True)
        if process:
            self._start_process(port)
        else:
            self._start_thread(port)
        self._wait_until_ready()
        return self.url

    def stop(self) -> None:
        if self._server is not None and self._thread is not None:
            self._server.should_exit = True
            self._thread.join(timeout=15)
            self._server = self._thread = None
        self._end_process(signal.SIGTERM)

    def close(self) -> None:
        self.stop()
        self._client.close()

    def kill(self) -> None:
        """As the machine would, without a chance to tidy up; only of a process."""
        self._end_process(signal.SIGKILL)

    @property
    def api_url(self) -> str:
        return f"{self.url}/api/v3"

    def token(self, login: str) -> str:
        return str(json.loads((self.root / "tokens.json").read_text())[login])

    def create_repository(self, name: str, files: Files, private: bool = False) -> int:
        """``name`` is ``owner/name``; gives its id."""
        return int(self._run_verb("create_repository", name=name, files=_encode_files(files), private=private)["id"])

    def fork(self, repository: str, owner: str) -> str:
        return str(self._run_verb("fork", repository=repository, owner=owner)["full_name"])

    def push(self, repository: str, branch: str, files: Files, message: str = "") -> str:
        """Commits onto a branch, from the default branch when it is new; gives the commit."""
        return str(
            self._run_verb("push", repository=repository, branch=branch, files=_encode_files(files), message=message)[
                "sha"
            ]
        )

    def note(self, repository: str, sha: str, text: str, ref: str = "refs/notes/eph") -> None:
        """What `git notes add` on that commit and a push of the ref would do."""
        self._run_verb("note", repository=repository, sha=sha, text=text, ref=ref)

    def open_pull(self, repository: str, branch: str, title: str = "", by: str = owner, draft: bool = False) -> int:
        """``branch`` may be ``owner:branch`` of a fork; gives the number."""
        said = {"title": title or branch, "head": branch, "base": "main", "draft": draft}
        return int(self.api("POST", f"/repos/{repository}/pulls", said, by)["number"])

    def open_pulls(self, repository: str, branches: Sequence[str], label: str, check: str) -> dict[str, int]:
        """Many at once, by branch; each with the label, and with a check that passed."""
        said = {"repository": repository, "branches": list(branches), "label": label, "check": check}
        return dict(self._run_verb("open_pulls", **said)["numbers"])

    def tag(self, repository: str, name: str, sha: str, message: str = "") -> None:
        """With a message an annotated one, which is an object of its own."""
        base = f"/repos/{repository}/git"
        if message:
            said = {"tag": name, "message": message, "object": sha, "type": "commit"}
            sha = self.api("POST", f"{base}/tags", said)["sha"]
        self.api("POST", f"{base}/refs", {"ref": f"refs/tags/{name}", "sha": sha})

    def delete_tag(self, repository: str, name: str) -> None:
        self.api("DELETE", f"/repos/{repository}/git/refs/tags/{name}")

    def label(self, repository: str, number: int, *labels: str) -> None:
        self.api("POST", f"/repos/{repository}/issues/{number}/labels", list(labels))

    def unlabel(self, repository: str, number: int, label: str) -> None:
        self.api("DELETE", f"/repos/{repository}/issues/{number}/labels/{label}")

    def close_pull(self, repository: str, number: int) -> None:
        self.api("PATCH", f"/repos/{repository}/pulls/{number}", {"state": "closed"})

    def reopen(self, repository: str, number: int) -> None:
        self.api("PATCH", f"/repos/{repository}/pulls/{number}", {"state": "open"})

    def merge(self, repository: str, number: int) -> str:
        return str(self.api("PUT", f"/repos/{repository}/pulls/{number}/merge", {})["sha"])

    def pull(self, repository: str, number: int) -> dict[str, Any]:
        return dict(self.api("GET", f"/repos/{repository}/pulls/{number}"))

    def comment(self, repository: str, number: int, body: str, by: str = owner) -> int:
        return int(self.api("POST", f"/repos/{repository}/issues/{number}/comments", {"body": body}, by)["id"])

    def edit_comment(self, repository: str, comment: int, body: str, by: str = owner) -> None:
        self.api("PATCH", f"/repos/{repository}/issues/comments/{comment}", {"body": body}, by)

    def react(self, repository: str, comment: int, content: str, by: str = owner) -> None:
        self.api("POST", f"/repos/{repository}/issues/comments/{comment}/reactions", {"content": content}, by)

    def reactions(self, repository: str, comment: int) -> dict[str, list[str]]:
        """By login, what they think of a comment."""
        found: dict[str, list[str]] = {}
        for item in self.api("GET", f"/repos/{repository}/issues/comments/{comment}/reactions"):
            found.setdefault(item["user"]["login"], []).append(item["content"])
        return found

    def comments(self, repository: str, number: int) -> list[dict[str, Any]]:
        return list(self.api("GET", f"/repos/{repository}/issues/{number}/comments?per_page=100"))

    def checks(self, repository: str, sha: str) -> dict[str, str]:
        """Check runs and statuses of a commit by name: the conclusion, or how far it is."""
        runs = self.api("GET", f"/repos/{repository}/commits/{sha}/check-runs?per_page=100")["check_runs"]
        states = self.api("GET", f"/repos/{repository}/commits/{sha}/status?per_page=100")["statuses"]
        found = {run["name"]: run["conclusion"] or run["status"] for run in runs}
        return found | {state["context"]: state["state"] for state in states}

    def deployments(self, repository: str, environment: str = "") -> list[dict[str, str]]:
        """``sha``, ``environment``, and ``state`` and ``url`` of the newest status; oldest first."""
        query = f"?environment={environment}" if environment else ""
        found = []
        for item in reversed(self.api("GET", f"/repos/{repository}/deployments{query}")):
            says = self.api("GET", f"/repos/{repository}/deployments/{item['id']}/statuses")
            newest = says[0] if says else {"state": "", "environment_url": ""}
            kept = {key: item[key] for key in ("sha", "environment")}
            found.append(kept | {"state": newest["state"], "url": newest["environment_url"]})
        return found

    def environments(self, repository: str) -> list[str]:
        return [item["name"] for item in self.api("GET", f"/repos/{repository}/environments")["environments"]]

    def set_check(self, repository: str, sha: str, name: str, conclusion: str | None) -> None:
        """As a CI would; None: it runs still."""
        self._run_verb("set_check", repository=repository, sha=sha, name=name, conclusion=conclusion)

    def set_status(self, repository: str, sha: str, context: str, state: str, by: str = owner) -> None:
        said = {"state": state, "context": context, "description": wording.status_description(context, state)}
        self.api("POST", f"/repos/{repository}/statuses/{sha}", said, by)

    def set_permission(self, repository: str, login: str, permission: str) -> None:
        self._run_verb("set_permission", repository=repository, login=login, permission=permission)

    def create_app(self, slug: str) -> tuple[str, str]:
        """Its id and its private key."""
        made = self._run_verb("create_app", slug=slug)
        return str(made["id"]), str(made["private_key"])

    def install_app(self, app: str, account: str) -> int:
        return int(self._run_verb("install_app", app=app, account=account)["id"])

    def suspend_app(self, installation: int, suspended: bool = True) -> None:
        self._run_verb("suspend_app", installation=installation, suspended=suspended)

    def remove_app(self, installation: int) -> None:
        self._run_verb("remove_app", installation=installation)

    def revoke_tokens(self) -> None:
        """Every installation's token is good no more."""
        self._run_verb("revoke_tokens")

    def archive(self, repository: str) -> None:
        self._run_verb("archive", repository=repository)

    def rename(self, repository: str, to: str) -> None:
        self._run_verb("rename", repository=repository, to=to)

    def delete_repository(self, repository: str) -> None:
        self._run_verb("delete_repository", repository=repository)

    def delete_branch(self, repository: str, branch: str) -> None:
        self._run_verb("delete_branch", repository=repository, branch=branch)

    def fail_next(self, count: int = 1, **fault: Any) -> None:
        """``status``, ``headers``, ``body``, ``truncate``, ``hang``, ``path``: see ``quota.Fault``; 0: no more."""
        self._post("/_sandbox/faults", {"count": count, **fault})

    def set_quota(self, limit: int) -> None:
        self._post("/_sandbox/quota", {"limit": limit})

    def set_clock(self, ahead: float) -> None:
        """So many seconds ahead of the machine's."""
        self._post("/_sandbox/clock", {"ahead": ahead})

    def stats(self) -> dict[str, Any]:
        """``requests``, ``counted`` (against the quota), ``not_modified``, and the last webhook deliveries."""
        return dict(self._client.get(f"{self.url}/_sandbox/stats").json())

    def api(self, method: str, path: str, body: Any = None, by: str = owner) -> Any:
        headers = {"Authorization": f"token {self.token(by)}"}
        send = partial(self._client.request, method, f"{self.api_url}{path}", json=body, headers=headers)
        try:
            answer = send()
        except httpx.RemoteProtocolError:
            if method != "GET":
                raise
            answer = send()  # the server closed the idle connection at the moment of the request
        return _json_or_raise(answer, f"{method} {path}")

    def _run_verb(self, verb: str, **arguments: Any) -> Any:
        return self._post(f"/_sandbox/do/{verb}", arguments)

    def _post(self, path: str, body: Any) -> Any:
        headers = {"Authorization": f"token {self.token(self.owner)}"}
        return _json_or_raise(self._client.post(f"{self.url}{path}", json=body, headers=headers), path)

    def _start_thread(self, port: int) -> None:
        target = self._webhook.target() if self._webhook else None
        app = GitHubServer(self.root, self.url, target).app
        config = uvicorn.Config(app, "127.0.0.1", port, log_level="warning", ws="none", loop="asyncio")
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, name="sandbox", daemon=True)
        self._thread.start()

    def _start_process(self, port: int) -> None:
        command = [sys.executable, "-m", "orchestrator.demo.github", "--root", str(self.root), "--port", str(port)]
        if self._webhook is not None:
            command += ["--webhook", self._webhook.url, "--webhook-secret-file", str(self._webhook.secret_file)]
        with (self.root / "sandbox.log").open("ab") as out:
            self._process = subprocess.Popen(command, stdout=out, stderr=out, stdin=subprocess.DEVNULL)
        self.pid = self._process.pid

    def _end_process(self, signal_number: signal.Signals) -> None:
        if self._process is None:
            return
        if self._process.poll() is None:
            os.kill(self._process.pid, signal_number)
        try:
            self._process.wait(timeout=15)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def _wait_until_ready(self) -> None:
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end:
            if self._process is not None and self._process.poll() is not None:
                break
            try:
                self._client.get(f"{self.url}/_sandbox/stats").raise_for_status()
            except httpx.HTTPError:
                time.sleep(0.02)
                continue
            return
        self.stop()
        raise DemoGitHubError(wording.no_response(self.url, START_SECONDS, self.root / "sandbox.log"))


def _encode_files(files: Files) -> dict[str, str | None]:
    data = {path: text.encode() if isinstance(text, str) else text for path, text in files.items()}
    return {path: None if raw is None else base64.b64encode(raw).decode() for path, raw in data.items()}


def _json_or_raise(answer: httpx.Response, request: str) -> Any:
    if answer.is_error:
        raise DemoGitHubError(f"{request}: {answer.status_code} {answer.text[:500]}")
    return answer.json() if answer.content else None
