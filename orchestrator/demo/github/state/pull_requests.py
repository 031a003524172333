"""Pull requests of the sandbox. The head commit is read from git each time; the document only remembers the last one.

That is how a pushed branch, a deleted branch and a merge done by hand are noticed whoever did them: ``refresh`` runs
before any pull request is shown.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress

from orchestrator.demo.github.state import git_repositories, serializers
from orchestrator.demo.github.state.document_store import Document
from orchestrator.demo.github.state.hub import GitHubApiError, Hub, invalid, not_found

LABEL_COLORS = ("0e8a16", "1d76db", "5319e7", "b60205", "d93f0b", "fbca04", "006b75", "c5def5")


def get(hub: Hub, repo: Document, number: int) -> Document:
    refresh(hub, repo)
    found = hub.store.first("pull", repo["id"], number)
    if found is None:
        raise not_found()
    return found


def listing(hub: Hub, repo: Document, state: str = "open") -> list[Document]:
    """Newest first."""
    refresh(hub, repo)
    found = hub.store.find("pull", repo["id"])
    return [pull for pull in reversed(found) if state in ("all", pull["state"])]


def open_pull(hub: Hub, repo: Document, author: str, title: str, head: str, base: str, body: str = "") -> Document:
    """``head`` is a branch, or ``owner:branch`` of a fork."""
    if not title.strip():
        raise invalid("PullRequest", "title", "title is missing")
    source, branch = _parse_head(hub, repo, head)
    sha = git_repositories.refs(hub.path(source)).get(f"refs/heads/{branch}")
    target = git_repositories.refs(hub.path(repo)).get(f"refs/heads/{base}")
    if sha is None or target is None:
        raise invalid("PullRequest", "base" if sha else "head", f"no branch {base if sha else head!r}")
    for other in listing(hub, repo):
        if (other["head_repo"], other["head_ref"], other["base_ref"]) == (source["id"], branch, base):
            raise invalid("PullRequest", "head", f"A pull request already exists for {head}.")
    if source["id"] == repo["id"]:
        hub.known_commits.add((repo["id"], sha))
    now = hub.timestamp()
    doc = {
        "repo": repo["id"],
        "title": title,
        "body": body,
        "state": "open",
        "merged": False,
        "draft": False,
        "user": author,
    }
    doc |= {
        "head_repo": source["id"],
        "head_ref": branch,
        "head_sha": sha,
        "base_ref": base,
        "base_sha": target,
        "labels": [],
    }
    doc |= {"created_at": now, "updated_at": now, "closed_at": None, "merged_at": None, "merge_commit_sha": None}
    with hub.store.transaction():
        number = hub.next_number(repo)
        pull = hub.store.add("pull", {**doc, "number": number}, repo["id"], number)
        _update_pull_ref(hub, repo, pull, source)
    emit_event(hub, repo, pull, "opened")
    return pull


def edit(hub: Hub, repo: Document, pull: Document, changes: Document) -> Document:
    """Title, body, draft and state; a merged one stays closed."""
    state = changes.get("state", pull["state"])
    if state not in ("open", "closed"):
        raise invalid("PullRequest", "state", f"state {state!r} is neither open nor closed")
    if pull["merged"] and state == "open":
        raise invalid("PullRequest", "state", "state cannot be changed. The pull request was merged.")
    kept: Document = {key: changes[key] for key in ("title", "body", "draft") if key in changes}
    new = {**pull, **kept, "state": state, "updated_at": hub.timestamp()}
    if state != pull["state"]:
        new["closed_at"] = hub.timestamp() if state == "closed" else None
    hub.store.save("pull", new)
    if state == "open" != pull["state"]:
        refresh(hub, repo)
        new = hub.store.first("pull", repo["id"], pull["number"]) or new
    action = "edited" if state == pull["state"] else "closed" if state == "closed" else "reopened"
    emit_event(hub, repo, new, action)
    return new


def merge(hub: Hub, repo: Document, pull: Document, login: str) -> Document:
    if pull["state"] != "open":
        raise GitHubApiError(405, "Pull Request is not mergeable")
    message = f"Merge pull request #{pull['number']} from {pull['head_ref']}\n\n{pull['title']}"
    try:
        sha = git_repositories.merge(hub.path(repo), f"refs/heads/{pull['base_ref']}", pull["head_sha"], message, login)
    except git_repositories.GitError:
        raise GitHubApiError(405, "Pull Request is not mergeable") from None
    now = hub.timestamp()
    changes = {
        "state": "closed",
        "merged": True,
        "merge_commit_sha": sha,
        "merged_by": login,
        "merged_at": now,
        "closed_at": now,
    }
    new = {**pull, **changes, "updated_at": now}
    hub.store.save("pull", new)
    emit_event(hub, repo, new, "closed")
    return new


def label(hub: Hub, repo: Document, pull: Document, names: Iterable[str]) -> Document:
    """Sets exactly these labels; those that the repository has not yet are made."""
    wanted = list(dict.fromkeys(name.strip() for name in names if name.strip()))
    for name in wanted:
        if hub.store.first("label", repo["id"], name.lower()) is None:
            colour = LABEL_COLORS[sum(name.encode()) % len(LABEL_COLORS)]
            hub.store.add("label", {"name": name, "color": colour}, repo["id"], name.lower())
    new = {**pull, "labels": wanted, "updated_at": hub.timestamp()}
    hub.store.save("pull", new)
    for name in set(wanted) ^ set(pull["labels"]):
        emit_event(hub, repo, new, "labeled" if name in wanted else "unlabeled")
    return new


def refresh(hub: Hub, repo: Document) -> None:
    """Brings every open pull request to what git says of its branch now."""
    heads: dict[int, dict[str, str] | None] = {}
    for pull in hub.store.find("pull", repo["id"]):
        if pull["state"] != "open":
            continue
        source = pull["head_repo"]
        if source not in heads:
            heads[source] = _branch_heads(hub, source)
        known = heads[source]
        sha = None if known is None else known.get(f"refs/heads/{pull['head_ref']}")
        if sha is None and known is not None:
            edit_closed = {**pull, "state": "closed", "closed_at": hub.timestamp(), "updated_at": hub.timestamp()}
            hub.store.save("pull", edit_closed)
            emit_event(hub, repo, edit_closed, "closed")
        elif sha is not None and sha != pull["head_sha"]:
            moved = {**pull, "head_sha": sha, "updated_at": hub.timestamp()}
            hub.store.save("pull", moved)
            _update_pull_ref(hub, repo, moved, hub.repository_by_id(source))
            emit_event(hub, repo, moved, "synchronize")


def emit_event(hub: Hub, repo: Document, pull: Document, action: str) -> None:
    shape = serializers.pull(hub, repo, pull)
    payload = {"action": action, "number": pull["number"], "pull_request": shape}
    hub.emit(repo["id"], "pull_request", {**payload, "repository": serializers.repository(hub, repo)})


def base_sha(hub: Hub, repo: Document, pull: Document) -> str:
    """Where the base branch is now; where it was when it is gone."""
    return git_repositories.refs(hub.path(repo)).get(f"refs/heads/{pull['base_ref']}") or str(pull["base_sha"])


def _branch_heads(hub: Hub, repository: int) -> dict[str, str] | None:
    """None: the repository itself is gone (a deleted fork), and what was last pushed stays."""
    try:
        return git_repositories.refs(hub.path(hub.repository_by_id(repository)))
    except GitHubApiError:
        return None


def _parse_head(hub: Hub, repo: Document, head: str) -> tuple[Document, str]:
    owner, colon, branch = head.partition(":")
    if not colon or owner == repo["owner"]:
        return repo, branch or owner
    for other in hub.repositories():
        if other["owner"] == owner and other["fork_of"] == repo["id"]:
            return other, branch
    raise invalid("PullRequest", "head", f"{owner} has no fork of this repository")


def _update_pull_ref(hub: Hub, repo: Document, pull: Document, source: Document) -> None:
    """``refs/pull/N/head`` in the base repository, from which everybody can fetch what is proposed."""
    name = f"refs/pull/{pull['number']}/head"
    if source["id"] == repo["id"]:
        git_repositories.set_ref(hub.path(repo), name, pull["head_sha"])
        return
    with suppress(git_repositories.GitError):
        git_repositories.fetch(hub.path(repo), hub.path(source), pull["head_ref"], name)
