"""The sandbox's documents as GitHub writes them: the fields that clients read, and no others."""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING

from orchestrator.demo.github.state import git_repositories
from orchestrator.demo.github.state.document_store import Document

if TYPE_CHECKING:
    from orchestrator.demo.github.state.hub import Hub


def api_url(hub: Hub) -> str:
    return f"{hub.base_url}/api/v3"


def full_name(repo: Document) -> str:
    return f"{repo['owner']}/{repo['name']}"


def user(hub: Hub, login: str) -> Document:
    url = f"{api_url(hub)}/users/{login}"
    shape = {"login": login, "id": hub.user_id(login), "type": "User", "site_admin": False}
    return {**shape, "url": url, "html_url": hub.base_url}


def repository(hub: Hub, repo: Document) -> Document:
    name = full_name(repo)
    shape = {"id": repo["id"], "name": repo["name"], "full_name": name, "owner": user(hub, repo["owner"])}
    shape |= {"private": repo["private"], "fork": bool(repo["fork_of"]), "default_branch": repo["default_branch"]}
    shape |= {
        "url": f"{api_url(hub)}/repos/{name}",
        "html_url": f"{hub.base_url}/{name}",
        "clone_url": str(hub.path(repo)),
    }
    return shape | {"created_at": repo["created_at"], "archived": bool(repo.get("archived")), "disabled": False}


def listed_repository(hub: Hub, repo: Document) -> Document:
    """As it is told where it is asked for, not where it is only named."""
    return {**repository(hub, repo), "pushed_at": git_repositories.pushed_at(hub.path(repo))}


def _branch_side(hub: Hub, repo: Document | None, ref: str, sha: str) -> Document:
    label = f"{repo['owner']}:{ref}" if repo else ref
    owner = user(hub, repo["owner"]) if repo else None
    return {"label": label, "ref": ref, "sha": sha, "user": owner, "repo": repository(hub, repo) if repo else None}


def labels(hub: Hub, repo: Document, names: list[str]) -> list[Document]:
    known = {doc["name"]: doc for doc in hub.store.find("label", repo["id"])}
    shaped = []
    for name in names:
        doc = known.get(name, {"id": 0, "color": "ededed"})
        url = f"{api_url(hub)}/repos/{full_name(repo)}/labels/{name}"
        shaped.append({"id": doc["id"], "name": name, "color": doc["color"], "description": "", "url": url})
    return shaped


def issue(hub: Hub, repo: Document, pull: Document) -> Document:
    base = f"{api_url(hub)}/repos/{full_name(repo)}"
    page = f"{hub.base_url}/{full_name(repo)}/pull/{pull['number']}"
    shape = {key: pull[key] for key in ("id", "number", "title", "body", "state", "created_at", "updated_at")}
    shape |= {"closed_at": pull["closed_at"], "user": user(hub, pull["user"]), "html_url": page}
    shape |= {"labels": labels(hub, repo, pull["labels"]), "url": f"{base}/issues/{pull['number']}"}
    return shape | {"pull_request": {"url": f"{base}/pulls/{pull['number']}", "html_url": page}}


def pull(hub: Hub, repo: Document, doc: Document) -> Document:
    base = f"{api_url(hub)}/repos/{full_name(repo)}"
    head = hub.store.get("repo", doc["head_repo"])
    head = None if head is None or head.get("deleted") else head
    shape = {**issue(hub, repo, doc), "url": f"{base}/pulls/{doc['number']}", "draft": doc["draft"]}
    del shape["pull_request"]
    shape |= {"issue_url": f"{base}/issues/{doc['number']}", "merged": doc["merged"], "merged_at": doc["merged_at"]}
    shape |= {"merge_commit_sha": doc["merge_commit_sha"], "author_association": _association(hub, repo, doc["user"])}
    shape |= {"head": _branch_side(hub, head, doc["head_ref"], doc["head_sha"])}
    return shape | {"base": _branch_side(hub, repo, doc["base_ref"], doc["base_sha"])}


def _association(hub: Hub, repo: Document, login: str) -> str:
    if login == repo["owner"]:
        return "OWNER"
    return {"none": "NONE", "read": "CONTRIBUTOR"}.get(hub.permission(repo, login), "COLLABORATOR")


def comment(hub: Hub, repo: Document, doc: Document) -> Document:
    url = f"{api_url(hub)}/repos/{full_name(repo)}/issues/comments/{doc['id']}"
    shape = {key: doc[key] for key in ("id", "body", "created_at", "updated_at")}
    page = f"{hub.base_url}/{full_name(repo)}/pull/{doc['number']}#comment-{doc['id']}"
    issue_url = f"{api_url(hub)}/repos/{full_name(repo)}/issues/{doc['number']}"
    shape |= {"reactions": _reactions(hub, repo, doc, url), "performed_via_github_app": None}
    return {**shape, "user": user(hub, doc["user"]), "url": url, "html_url": page, "issue_url": issue_url}


def _reactions(hub: Hub, repo: Document, doc: Document, url: str) -> Document:
    given = [item["content"] for item in hub.store.find("reaction", repo["id"], doc["id"])]
    return {"url": f"{url}/reactions", "total_count": len(given), **{item: given.count(item) for item in given}}


def reaction(hub: Hub, doc: Document) -> Document:
    return {**doc, "user": user(hub, doc["user"])}


def status(hub: Hub, repo: Document, doc: Document) -> Document:
    shape = {key: doc[key] for key in ("id", "state", "context", "description", "target_url", "created_at", "sha")}
    url = f"{api_url(hub)}/repos/{full_name(repo)}/statuses/{doc['sha']}"
    return {**shape, "updated_at": doc["created_at"], "creator": user(hub, doc["creator"]), "url": url}


def check_run(hub: Hub, repo: Document, doc: Document) -> Document:
    kept = ("id", "name", "status", "conclusion", "started_at", "completed_at", "details_url", "external_id")
    output = {"title": None, "summary": None, "text": None, "annotations_count": 0, **doc["output"]}
    app = {"id": user(hub, doc["app"])["id"], "slug": doc["app"], "name": doc["app"]}
    url = f"{api_url(hub)}/repos/{full_name(repo)}/check-runs/{doc['id']}"
    return {**{key: doc[key] for key in kept}, "head_sha": doc["sha"], "output": output, "app": app, "url": url}


def deployment(hub: Hub, repo: Document, doc: Document) -> Document:
    url = f"{api_url(hub)}/repos/{full_name(repo)}/deployments/{doc['id']}"
    extra = {"creator": user(hub, doc["creator"]), "url": url, "statuses_url": f"{url}/statuses"}
    return {**doc, **extra, "updated_at": doc["created_at"], "production_environment": False}


def deployment_status(hub: Hub, repo: Document, doc: Document) -> Document:
    parent = f"{api_url(hub)}/repos/{full_name(repo)}/deployments/{doc['deployment']}"
    shape = {key: value for key, value in doc.items() if key != "deployment"}
    extra = {"url": f"{parent}/statuses/{doc['id']}", "deployment_url": parent, "updated_at": doc["created_at"]}
    return {**shape, **extra, "creator": user(hub, doc["creator"])}


def hook(hub: Hub, repo: Document, doc: Document) -> Document:
    """The secret is never shown again."""
    url = f"{api_url(hub)}/repos/{full_name(repo)}/hooks/{doc['id']}"
    config = {**doc["config"], **({"secret": "********"} if doc["config"].get("secret") else {})}
    shape = {key: doc[key] for key in ("id", "name", "active", "events", "created_at")}
    return {**shape, "type": "Repository", "config": config, "url": url, "updated_at": doc["created_at"]}


def commit(hub: Hub, repo: Document, found: git_repositories.CommitInfo) -> Document:
    base = f"{api_url(hub)}/repos/{full_name(repo)}"
    person = {"name": found.author, "email": found.email, "date": found.date}
    parents = [{"sha": sha, "url": f"{base}/commits/{sha}"} for sha in found.parents]
    inner = {"message": found.message, "author": person, "committer": person, "tree": {"sha": found.tree}}
    return {"sha": found.sha, "url": f"{base}/commits/{found.sha}", "commit": inner, "parents": parents}


def git_commit(hub: Hub, repo: Document, found: git_repositories.CommitInfo) -> Document:
    outer = commit(hub, repo, found)
    url = f"{api_url(hub)}/repos/{full_name(repo)}/git/commits/{found.sha}"
    return {**outer["commit"], "sha": found.sha, "parents": outer["parents"], "url": url}


def branch(hub: Hub, repo: Document, name: str, sha: str) -> Document:
    url = f"{api_url(hub)}/repos/{full_name(repo)}/commits/{sha}"
    return {"name": name, "commit": {"sha": sha, "url": url}, "protected": False}


def tag(hub: Hub, repo: Document, sha: str, commit: str) -> Document:
    base = f"{api_url(hub)}/repos/{full_name(repo)}/git"
    target = {"type": "commit", "sha": commit, "url": f"{base}/commits/{commit}"}
    return {"sha": sha, "url": f"{base}/tags/{sha}", "object": target}


def ref(hub: Hub, repo: Document, name: str, sha: str, kind: str = "commit") -> Document:
    base = f"{api_url(hub)}/repos/{full_name(repo)}/git"
    target = {"type": kind, "sha": sha, "url": f"{base}/{kind}s/{sha}"}
    return {"ref": name, "url": f"{base}/{name}", "object": target}


def content(hub: Hub, repo: Document, entry: git_repositories.TreeEntry, data: bytes | None) -> Document:
    """``data`` None: only listed. GitHub leaves out what is above 1 MB."""
    url = f"{api_url(hub)}/repos/{full_name(repo)}/contents/{entry.path}"
    kind = {"tree": "dir", "commit": "submodule"}.get(entry.type, "symlink" if entry.mode == "120000" else "file")
    shape: Document = {
        "type": kind,
        "name": entry.path.rsplit("/", 1)[-1],
        "path": entry.path,
        "sha": entry.sha,
        "url": url,
    }
    shape |= {"size": entry.size or 0}
    if data is None:
        return shape
    if len(data) > 1_000_000:
        return shape | {"encoding": "none", "content": ""}
    return shape | {"encoding": "base64", "content": base64.encodebytes(data).decode()}


def etag(body: bytes) -> str:
    return f'W/"{hashlib.sha256(body).hexdigest()[:32]}"'
