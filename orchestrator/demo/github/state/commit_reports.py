"""What is said about pull requests and commits: comments, statuses, check runs, deployments."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orchestrator.demo.github.state import git_repositories, serializers
from orchestrator.demo.github.state.document_store import Document
from orchestrator.demo.github.state.hub import GitHubApiError, Hub, invalid, not_found

STATES = ("error", "failure", "pending", "success")
CONCLUSIONS = ("success", "failure", "neutral", "cancelled", "skipped", "timed_out", "action_required", "stale")
DEPLOYMENT_STATES = (*STATES, "inactive", "in_progress", "queued")
REACTIONS = ("+1", "-1", "laugh", "confused", "heart", "hooray", "rocket", "eyes")
MAX_COMMENT_LENGTH = 65536


def resolve_commit(hub: Hub, repo: Document, sha: str) -> str:
    """Git is asked once: here no commit ever goes."""
    if (repo["id"], sha) in hub.known_commits:
        return sha
    found = git_repositories.resolve(hub.path(repo), sha)
    if found is None:
        raise GitHubApiError(422, f"No commit found for SHA: {sha}")
    hub.known_commits.add((repo["id"], found))
    return found


def comment(hub: Hub, repo: Document, pull: Document, author: str, body: str) -> Document:
    doc = {
        "number": pull["number"],
        "user": author,
        "body": _comment_body(body),
        "created_at": hub.timestamp(),
        "updated_at": hub.timestamp(),
    }
    made = hub.store.add("comment", doc, repo["id"], pull["number"])
    _emit_comment(hub, repo, pull, made, "created")
    return made


def comments(hub: Hub, repo: Document, pull: Document) -> list[Document]:
    return hub.store.find("comment", repo["id"], pull["number"])


def all_comments(hub: Hub, repo: Document, query: Mapping[str, str]) -> list[Document]:
    """Of every issue, as GitHub sorts and cuts them: by ``sort``, ``direction`` and ``since``."""
    field = "updated_at" if query.get("sort") == "updated" else "created_at"
    descending = query.get("direction", "desc" if "sort" in query else "asc") == "desc"
    found = [doc for doc in hub.store.find("comment", repo["id"]) if doc["updated_at"] >= query.get("since", "")]
    return sorted(found, key=lambda doc: (doc[field], doc["id"]), reverse=descending)


def react(hub: Hub, repo: Document, comment: Document, author: str, content: Any) -> tuple[Document, bool]:
    """Whether it is new comes with it: each person has each reaction once."""
    if content not in REACTIONS:
        raise invalid("Reaction", "content", f"content {content!r} is none of {', '.join(REACTIONS)}")
    for doc in reactions(hub, repo, comment):
        if (doc["user"], doc["content"]) == (author, content):
            return doc, False
    doc = {"user": author, "content": content, "created_at": hub.timestamp()}
    return hub.store.add("reaction", doc, repo["id"], comment["id"]), True


def reactions(hub: Hub, repo: Document, comment: Document) -> list[Document]:
    return hub.store.find("reaction", repo["id"], comment["id"])


def edit_comment(hub: Hub, repo: Document, doc: Document, body: str) -> Document:
    new = {**doc, "body": _comment_body(body), "updated_at": hub.timestamp()}
    hub.store.save("comment", new)
    pull = hub.store.first("pull", repo["id"], doc["number"])
    if pull is not None:
        _emit_comment(hub, repo, pull, new, "edited")
    return new


def status(hub: Hub, repo: Document, sha: str, author: str, fields: Document) -> Document:
    state = fields.get("state")
    if state not in STATES:
        raise invalid("Status", "state", f"state {state!r} is none of {', '.join(STATES)}")
    sha = resolve_commit(hub, repo, sha)
    texts = {key: str(fields.get(key) or "") for key in ("context", "description", "target_url")}
    if len(texts["description"]) > 140:
        raise invalid("Status", "description", "description is too long (maximum is 140 characters)")
    doc = {**texts, "state": state, "sha": sha, "creator": author, "created_at": hub.timestamp()}
    doc["context"] = doc["context"] or "default"
    made = hub.store.add("status", doc, repo["id"], sha)
    hub.emit(
        repo["id"], "status", {**serializers.status(hub, repo, made), "repository": serializers.repository(hub, repo)}
    )
    return made


def statuses(hub: Hub, repo: Document, sha: str) -> list[Document]:
    """All of them, newest first."""
    return list(reversed(hub.store.find("status", repo["id"], resolve_commit(hub, repo, sha))))


def latest_statuses(hub: Hub, repo: Document, sha: str) -> list[Document]:
    newest: dict[str, Document] = {}
    for doc in statuses(hub, repo, sha):
        newest.setdefault(doc["context"], doc)
    return list(newest.values())


def combined_state(found: list[Document]) -> str:
    states = {doc["state"] for doc in found}
    if states & {"error", "failure"}:
        return "failure"
    return "pending" if not states or "pending" in states else "success"


def check_run(hub: Hub, repo: Document, author: str, fields: Document) -> Document:
    name, sha = fields.get("name"), fields.get("head_sha")
    if not name or not isinstance(sha, str):
        raise invalid("CheckRun", "name", "name and head_sha are needed")
    sha = resolve_commit(hub, repo, sha)
    doc = {
        "name": name,
        "sha": sha,
        "app": author,
        "status": "queued",
        "conclusion": None,
        "started_at": hub.timestamp(),
    }
    doc |= {"completed_at": None, "details_url": "", "output": {}, "external_id": ""}
    made = hub.store.add("check", _updated_check(hub, doc, fields), repo["id"], sha)
    _emit_check(hub, repo, made, "created")
    return made


def edit_check_run(hub: Hub, repo: Document, doc: Document, fields: Document) -> Document:
    new = _updated_check(hub, doc, fields)
    hub.store.save("check", new)
    _emit_check(hub, repo, new, "completed" if new["conclusion"] else "created")
    return new


def check_runs(hub: Hub, repo: Document, sha: str, latest: bool = True) -> list[Document]:
    found = hub.store.find("check", repo["id"], resolve_commit(hub, repo, sha))
    if latest:
        found = list({(doc["app"], doc["name"]): doc for doc in found}.values())
    return list(reversed(found))


def deployment(hub: Hub, repo: Document, author: str, fields: Document) -> Document:
    sha = resolve_commit(hub, repo, str(fields.get("ref") or ""))
    doc = {
        "ref": fields["ref"],
        "sha": sha,
        "creator": author,
        "environment": fields.get("environment") or "production",
    }
    doc |= {"description": fields.get("description") or "", "task": "deploy", "payload": fields.get("payload") or {}}
    doc |= {"created_at": hub.timestamp(), "transient_environment": bool(fields.get("transient_environment"))}
    if hub.store.first("environment", repo["id"], doc["environment"]) is None:
        hub.store.add("environment", {"name": doc["environment"]}, repo["id"], doc["environment"])
    return hub.store.add("deployment", doc, repo["id"], sha)


def deployments(hub: Hub, repo: Document) -> list[Document]:
    """Newest first."""
    return list(reversed(hub.store.find("deployment", repo["id"])))


def deployment_statuses(hub: Hub, repo: Document, parent: Document) -> list[Document]:
    """Newest first."""
    return list(reversed(hub.store.find("deployment_status", repo["id"], parent["id"])))


def remove_deployment(hub: Hub, repo: Document, doc: Document) -> None:
    """As on GitHub: never an active one, unless it is the only one that there is."""
    said = deployment_statuses(hub, repo, doc)
    if said and said[0]["state"] == "success" and len(deployments(hub, repo)) > 1:
        raise GitHubApiError(
            422, "We cannot delete an active deployment unless it is the only deployment in a given repository."
        )
    hub.store.delete("deployment", doc["id"])


def remove_environment(hub: Hub, repo: Document, name: str) -> None:
    found = hub.store.first("environment", repo["id"], name)
    if found is None:
        raise not_found()
    hub.store.delete("environment", found["id"])


def deployment_status(hub: Hub, repo: Document, parent: Document, author: str, fields: Document) -> Document:
    state = fields.get("state")
    if state not in DEPLOYMENT_STATES:
        raise invalid("DeploymentStatus", "state", f"state {state!r} is none of {', '.join(DEPLOYMENT_STATES)}")
    texts = {key: str(fields.get(key) or "") for key in ("description", "environment_url", "log_url")}
    doc = {**texts, "state": state, "creator": author, "created_at": hub.timestamp(), "deployment": parent["id"]}
    return hub.store.add("deployment_status", doc, repo["id"], parent["id"])


def get_owned(hub: Hub, repo: Document, kind: str, number: int) -> Document:
    """A thing by its id, provided it is this repository's."""
    found = hub.store.get(kind, number)
    if found is None or all(doc["id"] != number for doc in hub.store.find(kind, repo["id"])):
        raise not_found()
    return found


def _comment_body(body: Any) -> str:
    if not isinstance(body, str) or not body.strip():
        raise invalid("IssueComment", "body", "body cannot be blank")
    if len(body) > MAX_COMMENT_LENGTH:
        raise invalid("IssueComment", "body", f"body is too long (maximum is {MAX_COMMENT_LENGTH} characters)")
    return body


def _updated_check(hub: Hub, doc: Document, fields: Document) -> Document:
    names = ("name", "status", "conclusion", "details_url", "output", "external_id")
    kept: Document = {key: fields[key] for key in names if key in fields}
    new: Document = {**doc, **kept}
    if new["conclusion"] is not None and new["conclusion"] not in CONCLUSIONS:
        raise invalid("CheckRun", "conclusion", f"conclusion {new['conclusion']!r} is not one that GitHub knows")
    if new["status"] in ("queued", "in_progress") and "conclusion" not in fields:
        return {**new, "conclusion": None, "completed_at": None}
    if new["conclusion"]:
        return {**new, "status": "completed", "completed_at": fields.get("completed_at") or hub.timestamp()}
    return new


def _emit_comment(hub: Hub, repo: Document, pull: Document, doc: Document, action: str) -> None:
    payload = {
        "action": action,
        "issue": serializers.issue(hub, repo, pull),
        "comment": serializers.comment(hub, repo, doc),
    }
    hub.emit(repo["id"], "issue_comment", {**payload, "repository": serializers.repository(hub, repo)})


def _emit_check(hub: Hub, repo: Document, doc: Document, action: str) -> None:
    payload = {"action": action, "check_run": serializers.check_run(hub, repo, doc)}
    hub.emit(repo["id"], "check_run", {**payload, "repository": serializers.repository(hub, repo)})
