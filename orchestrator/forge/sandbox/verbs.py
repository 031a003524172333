"""What can happen in the world outside: the verbs that ``world`` sends and a test or the demo speaks in.

Only the owner's token lets one in: the code of a preview runs on the same machine, and must not play the world.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from typing import Any

from orchestrator.forge.sandbox import apps, gits, pulls, reports, shapes
from orchestrator.forge.sandbox.hub import RANK, Hub, invalid
from orchestrator.forge.sandbox.store import Doc


def create_repository(hub: Hub, said: Doc) -> Doc:
    repo = hub.create(said["name"], _files(said.get("files") or {}), bool(said.get("private")))
    return shapes.repository(hub, repo)


def fork(hub: Hub, said: Doc) -> Doc:
    source = _repo(hub, said)
    made = hub.create(f"{said['owner']}/{source['name']}", {}, fork_of=source["id"])
    return shapes.repository(hub, made)


def push(hub: Hub, said: Doc) -> Doc:
    """Onto a branch, which starts at the default branch when it is new."""
    repo = _repo(hub, said)
    sha = commit_files(hub, repo, said["branch"], _files(said["files"]), said.get("message") or "Change")
    return {"sha": sha}


def note(hub: Hub, said: Doc) -> Doc:
    gits.note(hub.path(_repo(hub, said)), said["ref"], said["sha"], said["text"])
    return {}


def rename(hub: Hub, said: Doc) -> Doc:
    return shapes.repository(hub, hub.rename(_repo(hub, said), said["to"]))


def delete_repository(hub: Hub, said: Doc) -> Doc:
    hub.delete(_repo(hub, said))
    return {}


def delete_branch(hub: Hub, said: Doc) -> Doc:
    repo = _repo(hub, said)
    gits.set_ref(hub.path(repo), f"refs/heads/{said['branch']}", None)
    pulls.refresh(hub, repo)
    return {}


def set_permission(hub: Hub, said: Doc) -> Doc:
    repo = _repo(hub, said)
    if said["permission"] not in RANK:
        raise invalid("Repository", "permission", f"permission {said['permission']!r} is none of {', '.join(RANK)}")
    repo["permissions"][said["login"]] = said["permission"]
    hub.store.save("repo", repo)
    return {}


def set_check(hub: Hub, said: Doc) -> Doc:
    """A check run as a CI would report it; no conclusion: it runs still."""
    repo, conclusion = _repo(hub, said), said.get("conclusion")
    status = {"status": "completed", "conclusion": conclusion} if conclusion else {"status": "in_progress"}
    known = [doc for doc in reports.check_runs(hub, repo, said["sha"]) if doc["name"] == said["name"]]
    if known:
        return shapes.check_run(hub, repo, reports.edit_check_run(hub, repo, known[0], status))
    made = reports.check_run(
        hub, repo, said.get("app") or "ci", {**status, "name": said["name"], "head_sha": said["sha"]}
    )
    return shapes.check_run(hub, repo, made)


def open_pulls(hub: Hub, said: Doc) -> Doc:
    """Many at once, each labelled and with a check that passed: the numbers, by branch."""
    repo, numbers = _repo(hub, said), {}
    for branch in said["branches"]:
        pull = pulls.open_pull(hub, repo, repo["owner"], branch, branch, repo["default_branch"])
        pulls.label(hub, repo, pull, [said["label"]])
        passed = {"name": said["check"], "head_sha": pull["head_sha"], "status": "completed", "conclusion": "success"}
        reports.check_run(hub, repo, "ci", passed)
        numbers[branch] = pull["number"]
    return {"numbers": numbers}


def archive(hub: Hub, said: Doc) -> Doc:
    hub.store.save("repo", {**_repo(hub, said), "archived": True})
    return {}


def create_app(hub: Hub, said: Doc) -> Doc:
    return apps.create(hub, str(said["slug"]))


def install_app(hub: Hub, said: Doc) -> Doc:
    return apps.install(hub, int(said["app"]), str(said["account"]))


def suspend_app(hub: Hub, said: Doc) -> Doc:
    return apps.suspend(hub, int(said["installation"]), bool(said["suspended"]))


def remove_app(hub: Hub, said: Doc) -> Doc:
    apps.remove(hub, int(said["installation"]))
    return {}


def revoke_tokens(hub: Hub, _: Doc) -> Doc:
    apps.revoke(hub)
    return {}


VERBS: Mapping[str, Callable[[Hub, Doc], Any]] = {
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


def commit_files(hub: Hub, repo: Doc, branch: str, files: Mapping[str, bytes | None], message: str) -> str:
    git = hub.path(repo)
    known = gits.refs(git)
    start = known.get(f"refs/heads/{repo['default_branch']}")
    if f"refs/heads/{branch}" not in known and start is not None:
        gits.set_ref(git, f"refs/heads/{branch}", start)
    sha = gits.push(git, branch, files, message, repo["owner"])
    pushed(hub, repo, branch, sha)
    return sha


def pushed(hub: Hub, repo: Doc, branch: str, sha: str) -> None:
    payload = {"ref": f"refs/heads/{branch}", "after": sha, "repository": shapes.repository(hub, repo)}
    hub.emit(repo["id"], "push", payload)
    pulls.refresh(hub, repo)
    for other in hub.repositories():
        if repo["fork_of"] == other["id"]:
            pulls.refresh(hub, other)


def _repo(hub: Hub, said: Doc) -> Doc:
    owner, _, name = str(said["repository"]).partition("/")
    return hub.repository(owner, name)


def _files(encoded: Mapping[str, str | None]) -> dict[str, Any]:
    return {path: None if text is None else base64.b64decode(text) for path, text in encoded.items()}
