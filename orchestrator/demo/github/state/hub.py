"""The sandbox's own rules: who may see and do what, and which repository a name means.

A repository is its numeric id. A name it had before leads to it still, until another takes the name, as on GitHub.
"""

from __future__ import annotations

import json
import re
import secrets
import shlex
import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from orchestrator.demo.github.state import git_repositories
from orchestrator.demo.github.state.document_store import Document, DocumentStore

PERMISSION_LEVELS = {"none": 0, "read": 1, "write": 2, "admin": 3}
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
PEOPLE = {"ada": "admin", "grace": "write", "linus": "read", "mallory": "none", "eph-bot": "write"}
"""Everybody there is, and what they may do where nothing else is said: an owner, a colleague, a reader, a stranger,
and the account that Eph works with."""

EmitWebhook = Callable[[int, str, Mapping[str, Any]], None]


class GitHubApiError(Exception):
    """An answer that is not 2xx, as GitHub words it."""

    def __init__(self, status: int, message: str, errors: list[Document] | None = None) -> None:
        super().__init__(message)
        self.status, self.message, self.errors = status, message, errors or []


class RepositoryMoved(Exception):
    """The repository has another name by now."""

    def __init__(self, repository: int) -> None:
        super().__init__(repository)
        self.repository = repository


def not_found() -> GitHubApiError:
    return GitHubApiError(404, "Not Found")


def invalid(resource: str, field: str, message: str) -> GitHubApiError:
    return GitHubApiError(
        422, "Validation Failed", [{"resource": resource, "field": field, "code": "custom", "message": message}]
    )


class Hub:
    """``now`` is the clock of all its dates; ``emit`` is told of everything that a webhook may carry."""

    def __init__(self, root: Path, emit: EmitWebhook, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self.root, self.emit, self.now = root, emit, now
        root.mkdir(parents=True, exist_ok=True)
        (root / "git").mkdir(exist_ok=True)
        self.store = DocumentStore(root / "sandbox.db")
        self.lock = threading.RLock()
        self.tokens = _load_tokens(root / "tokens.json")
        for login in PEOPLE:
            if self.store.first("user", key=login) is None:
                self.store.add("user", {"login": login}, key=login)
        self._base_setting = self.store.first("setting", key="base")
        self._user_ids: dict[str, int] = {}
        self.known_commits: set[tuple[int, str]] = set()
        """Of which repository, and which: those that are known to be there."""

    def timestamp(self) -> str:
        return self.now().strftime("%Y-%m-%dT%H:%M:%SZ")

    def user(self, login: str) -> Document:
        found = self.store.first("user", key=login)
        if found is None:
            raise not_found()
        return found

    def user_id(self, login: str) -> int:
        """0 for an unknown person. An id never changes, and every response contains several."""
        if login not in self._user_ids:
            found = self.store.first("user", key=login)
            if found is None:
                return 0
            self._user_ids[login] = int(found["id"])
        return self._user_ids[login]

    def login_for_token(self, token: str) -> str | None:
        for login, known in self.tokens.items():
            if secrets.compare_digest(known.encode(), token.encode()):
                return login
        return None

    def permission(self, repo: Document, login: str) -> str:
        if login == repo["owner"]:
            return "admin"
        default = PEOPLE.get(login) or self.app_permission(login, repo["owner"])
        return str(repo["permissions"].get(login, default))

    def app_permission(self, login: str, owner: str) -> str:
        """An App is a person too, where it was installed."""
        for doc in self.store.find("installation", key=str(owner).lower()):
            app = self.store.get("app", doc["app"])
            if app is not None and login == f"{app['slug']}[bot]" and not doc["suspended_at"]:
                return "write"
        return "none"

    def require_permission(self, repo: Document, login: str, required: str) -> None:
        """Raises as GitHub does: 404 for what the caller can't see, 403 for the rest."""
        has = PERMISSION_LEVELS[self.permission(repo, login)]
        if repo["private"] and not has:
            raise not_found()
        if has < PERMISSION_LEVELS[required] and required != "read":
            raise GitHubApiError(403, "Resource not accessible by personal access token")

    def repositories(self) -> list[Document]:
        return [repo for repo in self.store.find("repo") if not repo.get("deleted")]

    def repository(self, owner: str, name: str) -> Document:
        found = self.store.first("repo", key=f"{owner}/{name}".lower())
        if found is not None and not found.get("deleted"):
            return found
        former = self.store.find("former", key=f"{owner}/{name}".lower())
        if former:
            raise RepositoryMoved(former[-1]["repository"])
        raise not_found()

    def repository_by_id(self, number: int) -> Document:
        found = self.store.get("repo", number)
        if found is None or found.get("deleted"):
            raise not_found()
        return found

    def path(self, repo: Document) -> Path:
        return self.root / "git" / str(repo["owner"]) / f"{repo['name']}.git"

    def create(self, full_name: str, files: Mapping[str, bytes], private: bool = False, fork_of: int = 0) -> Document:
        owner, name = _split_full_name(full_name)
        self._check_name_is_free(full_name)
        doc = {"owner": owner, "name": name, "default_branch": "main", "private": private, "fork_of": fork_of}
        with self.store.transaction():
            if self.store.first("user", key=owner) is None:
                self.store.add("user", {"login": owner}, key=owner)
            repo = self.store.add(
                "repo", {**doc, "permissions": {}, "numbers": 0, "created_at": self.timestamp()}, key=full_name.lower()
            )
            git_repositories.create(self.path(repo), "main")
            if fork_of:
                source = self.repository_by_id(fork_of)
                git_repositories.fetch(self.path(repo), self.path(source), source["default_branch"], "refs/heads/main")
            if files:
                git_repositories.push(self.path(repo), "main", files, "First commit", owner)
        self.install_git_hook(repo)
        return repo

    def rename(self, repo: Document, full_name: str) -> Document:
        """A new name or a new owner; the id, the pull requests and the commits stay."""
        owner, name = _split_full_name(full_name)
        self._check_name_is_free(full_name)
        old = self.path(repo)
        new = {**repo, "owner": owner, "name": name}
        with self.store.transaction():
            if self.store.first("user", key=owner) is None:
                self.store.add("user", {"login": owner}, key=owner)
            self.store.add("former", {"repository": repo["id"]}, key=f"{repo['owner']}/{repo['name']}".lower())
            self.store.save("repo", new, key=full_name.lower())
            self.path(new).parent.mkdir(parents=True, exist_ok=True)
            old.rename(self.path(new))
        self.install_git_hook(new)
        return new

    def delete(self, repo: Document) -> None:
        self.store.save("repo", {**repo, "deleted": True}, key=f"deleted {repo['id']}")
        self.path(repo).rename(self.path(repo).with_name(f"{repo['name']}.{repo['id']}.deleted"))

    def next_number(self, repo: Document) -> int:
        fresh = self.repository_by_id(repo["id"])
        fresh["numbers"] += 1
        self.store.save("repo", fresh)
        return int(fresh["numbers"])

    @property
    def base_url(self) -> str:
        """Where people and programs reach this sandbox: told at start, written into every answer."""
        return str(self._base_setting["url"]) if self._base_setting else ""

    def set_base_url(self, url: str) -> None:
        if self._base_setting is None:
            self._base_setting = self.store.add("setting", {"url": url}, key="base")
        self._base_setting = {**self._base_setting, "url": url}
        self.store.save("setting", self._base_setting)
        (self.root / "url").write_text(url)

    def install_git_hook(self, repo: Document) -> None:
        """Plain pushes tell the sandbox too, for the webhooks; when it is down, only those are missed."""
        script = self.path(repo) / "hooks" / "post-receive"
        script.parent.mkdir(exist_ok=True)
        script.write_text(_POST_RECEIVE.format(url_file=shlex.quote(str(self.root / "url")), repository=repo["id"]))
        script.chmod(0o755)

    def _check_name_is_free(self, full_name: str) -> None:
        taken = self.store.first("repo", key=full_name.lower())
        if taken is not None and not taken.get("deleted"):
            raise invalid("Repository", "name", "name already exists on this account")


_POST_RECEIVE = """#!/bin/sh
url=$(cat {url_file} 2>/dev/null) || exit 0
command -v curl >/dev/null 2>&1 || exit 0
curl --silent --max-time 3 --output /dev/null --request POST "$url/_sandbox/pushed/{repository}" || true
"""


def _split_full_name(full_name: str) -> tuple[str, str]:
    owner, _, name = full_name.partition("/")
    if not NAME.fullmatch(owner) or not NAME.fullmatch(name) or name.endswith(".git"):
        raise invalid("Repository", "name", f"{full_name!r} is not owner/name")
    return owner, name


def _load_tokens(path: Path) -> dict[str, str]:
    """One token for each person, made once and kept in a file that only the owner may read."""
    if path.exists():
        return dict(json.loads(path.read_text()))
    tokens = {login: f"sandbox_{secrets.token_hex(20)}" for login in PEOPLE}
    fresh = path.with_suffix(".new")
    fresh.touch(mode=0o600)
    fresh.write_text(json.dumps(tokens, indent=2))
    fresh.rename(path)
    return tokens
