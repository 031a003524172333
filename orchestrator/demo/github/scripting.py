"""What can happen in the world outside: the verbs that ``world`` sends and a test or the demo speaks in.

Only the owner's token lets one in: the code of a preview runs on the same machine, and must not play the world.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from typing import Any

from orchestrator.demo.github import wording
from orchestrator.demo.github.state import commit_reports, git_repositories, github_apps, pull_requests, serializers
from orchestrator.demo.github.state.document_store import Document
from orchestrator.demo.github.state.hub import PERMISSION_LEVELS, Hub, invalid


def create_repository(hub: Hub, arguments: Document) -> Document:
    repo = hub.create(arguments["name"], _decode_files(arguments.get("files") or {}), bool(arguments.get("private")))
    return serializers.repository(hub, repo)


def fork(hub: Hub, arguments: Document) -> Document:
    source = _repo(hub, arguments)
    made = hub.create(f"{arguments['owner']}/{source['name']}", {}, fork_of=source["id"])
    return serializers.repository(hub, made)


def push(hub: Hub, arguments: Document) -> Document:
    """Onto a branch, which starts at the default branch when it is new."""
    repo = _repo(hub, arguments)
    sha = commit_files(
        hub, repo, arguments["branch"], _decode_files(arguments["files"]), arguments.get("message") or "Change"
    )
    return {"sha": sha}


def note(hub: Hub, arguments: Document) -> Document:
    git_repositories.note(hub.path(_repo(hub, arguments)), arguments["ref"], arguments["sha"], arguments["text"])
    return {}


def rename(hub: Hub, arguments: Document) -> Document:
    return serializers.repository(hub, hub.rename(_repo(hub, arguments), arguments["to"]))


def delete_repository(hub: Hub, arguments: Document) -> Document:
    hub.delete(_repo(hub, arguments))
    return {}


def delete_branch(hub: Hub, arguments: Document) -> Document:
    repo = _repo(hub, arguments)
    git_repositories.set_ref(hub.path(repo), f"refs/heads/{arguments['branch']}", None)
    pull_requests.refresh(hub, repo)
    return {}


def set_permission(hub: Hub, arguments: Document) -> Document:
    repo = _repo(hub, arguments)
    if arguments["permission"] not in PERMISSION_LEVELS:
        raise invalid(
            "Repository",
            "permission",
            wording.unknown_permission(arguments["permission"], PERMISSION_LEVELS),
        )
    repo["permissions"][arguments["login"]] = arguments["permission"]
    hub.store.save("repo", repo)
    return {}


def set_check(hub: Hub, arguments: Document) -> Document:
    """A check run as a CI would report it; no conclusion: it runs still."""
    repo, conclusion = _repo(hub, arguments), arguments.get("conclusion")
    status = {"status": "completed", "conclusion": conclusion} if conclusion else {"status": "in_progress"}
    known = [doc for doc in commit_reports.check_runs(hub, repo, arguments["sha"]) if doc["name"] == arguments["name"]]
    if known:
        return serializers.check_run(hub, repo, commit_reports.edit_check_run(hub, repo, known[0], status))
    made = commit_reports.check_run(
        hub, repo, arguments.get("app") or "ci", {**status, "name": arguments["name"], "head_sha": arguments["sha"]}
    )
    return serializers.check_run(hub, repo, made)


def open_pulls(hub: Hub, arguments: Document) -> Document:
    """Many at once, each labelled and with a check that passed: the numbers, by branch."""
    repo, numbers = _repo(hub, arguments), {}
    for branch in arguments["branches"]:
        pull = pull_requests.open_pull(hub, repo, repo["owner"], branch, branch, repo["default_branch"])
        pull_requests.label(hub, repo, pull, [arguments["label"]])
        passed = {
            "name": arguments["check"],
            "head_sha": pull["head_sha"],
            "status": "completed",
            "conclusion": "success",
        }
        commit_reports.check_run(hub, repo, "ci", passed)
        numbers[branch] = pull["number"]
    return {"numbers": numbers}


def archive(hub: Hub, arguments: Document) -> Document:
    hub.store.save("repo", {**_repo(hub, arguments), "archived": True})
    return {}


def create_app(hub: Hub, arguments: Document) -> Document:
    return github_apps.create(hub, str(arguments["slug"]))


def install_app(hub: Hub, arguments: Document) -> Document:
    return github_apps.install(hub, int(arguments["app"]), str(arguments["account"]))


def suspend_app(hub: Hub, arguments: Document) -> Document:
    return github_apps.suspend(hub, int(arguments["installation"]), bool(arguments["suspended"]))


def remove_app(hub: Hub, arguments: Document) -> Document:
    github_apps.uninstall(hub, int(arguments["installation"]))
    return {}


def revoke_tokens(hub: Hub, _: Document) -> Document:
    github_apps.revoke_tokens(hub)
    return {}


VERBS: Mapping[str, Callable[[Hub, Document], Any]] = {
    verb.__name__: verb
    for verb in (
        create_repository,
        fork,
        push,
        note,
        rename,
        delete_repository,
        delete_branch,
        set_permission,
        set_check,
        open_pulls,
        archive,
        create_app,
        install_app,
        suspend_app,
        remove_app,
        revoke_tokens,
    )
}


def commit_files(hub: Hub, repo: Document, branch: str, files: Mapping[str, bytes | None], message: str) -> str:
    git = hub.path(repo)
    known = git_repositories.refs(git)
    start = known.get(f"refs/heads/{repo['default_branch']}")
    if f"refs/heads/{branch}" not in known and start is not None:
        git_repositories.set_ref(git, f"refs/heads/{branch}", start)
    sha = git_repositories.push(git, branch, files, message, repo["owner"])
    emit_push(hub, repo, branch, sha)
    return sha


def emit_push(hub: Hub, repo: Document, branch: str, sha: str) -> None:
    payload = {"ref": f"refs/heads/{branch}", "after": sha, "repository": serializers.repository(hub, repo)}
    hub.emit(repo["id"], "push", payload)
    pull_requests.refresh(hub, repo)
    for other in hub.repositories():
        if repo["fork_of"] == other["id"]:
            pull_requests.refresh(hub, other)


def _repo(hub: Hub, arguments: Document) -> Document:
    owner, _, name = str(arguments["repository"]).partition("/")
    return hub.repository(owner, name)


def _decode_files(encoded: Mapping[str, str | None]) -> dict[str, Any]:
    return {path: None if text is None else base64.b64decode(text) for path, text in encoded.items()}
