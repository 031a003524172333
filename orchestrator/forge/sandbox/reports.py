"""What is said about pull requests and commits: comments, statuses, check runs, deployments."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orchestrator.forge.sandbox import gits, shapes
from orchestrator.forge.sandbox.hub import Hub, Refusal, invalid, not_found
from orchestrator.forge.sandbox.store import Doc

STATES = ("error", "failure", "pending", "success")
CONCLUSIONS = ("success", "failure", "neutral", "cancelled", "skipped", "timed_out", "action_required", "stale")
DEPLOYMENT_STATES = (*STATES, "inactive", "in_progress", "queued")
REACTIONS = ("+1", "-1", "laugh", "confused", "heart", "hooray", "rocket", "eyes")
MOST = 65536


def commit_of(hub: Hub, repo: Doc, sha: str) -> str:
    """Git is asked once: here no commit ever goes."""
    if (repo["id"], sha) in hub.commits:
        return sha
    found = gits.resolve(hub.path(repo), sha)
    if found is None:
        raise Refusal(422, f"No commit found for SHA: {sha}")
    hub.commits.add((repo["id"], found))
    return found


def comment(hub: Hub, repo: Doc, pull: Doc, author: str, body: str) -> Doc:
    doc = {
        "number": pull["number"],
        "user": author,
        "body": _body(body),
        "created_at": hub.stamp(),
        "updated_at": hub.stamp(),
    }
    made = hub.store.add("comment", doc, repo["id"], pull["number"])
    _tell_comment(hub, repo, pull, made, "created")
    return made


def comments(hub: Hub, repo: Doc, pull: Doc) -> list[Doc]:
    return hub.store.find("comment", repo["id"], pull["number"])


def all_comments(hub: Hub, repo: Doc, query: Mapping[str, str]) -> list[Doc]:
    """Of every issue, as GitHub sorts and cuts them: by ``sort``, ``direction`` and ``since``."""
    field = "updated_at" if query.get("sort") == "updated" else "created_at"
    descending = query.get("direction", "desc" if "sort" in query else "asc") == "desc"
    found = [doc for doc in hub.store.find("comment", repo["id"]) if doc["updated_at"] >= query.get("since", "")]
    return sorted(found, key=lambda doc: (doc[field], doc["id"]), reverse=descending)


def react(hub: Hub, repo: Doc, comment: Doc, author: str, content: Any) -> tuple[Doc, bool]:
    """Whether it is new comes with it: each person has each reaction once."""
    if content not in REACTIONS:
        raise invalid("Reaction", "content", f"content {content!r} is none of {', '.join(REACTIONS)}")
    for doc in reactions(hub, repo, comment):
        if (doc["user"], doc["content"]) == (author, content):
            return doc, False
    doc = {"user": author, "content": content, "created_at": hub.stamp()}
    return hub.store.add("reaction", doc, repo["id"], comment["id"]), True


def reactions(hub: Hub, repo: Doc, comment: Doc) -> list[Doc]:
    return hub.store.find("reaction", repo["id"], comment["id"])


def edit_comment(hub: Hub, repo: Doc, doc: Doc, body: str) -> Doc:
    new = {**doc, "body": _body(body), "updated_at": hub.stamp()}
    hub.store.save("comment", new)
    pull = hub.store.one("pull", repo["id"], doc["number"])
    if pull is not None:
        _tell_comment(hub, repo, pull, new, "edited")
    return new


def status(hub: Hub, repo: Doc, sha: str, author: str, said: Doc) -> Doc:
    state = said.get("state")
    if state not in STATES:
        raise invalid("Status", "state", f"state {state!r} is none of {', '.join(STATES)}")
    sha = commit_of(hub, repo, sha)
    texts = {key: str(said.get(key) or "") for key in ("context", "description", "target_url")}
    if len(texts["description"]) > 140:
        raise invalid("Status", "description", "description is too long (maximum is 140 characters)")
    doc = {**texts, "state": state, "sha": sha, "creator": author, "created_at": hub.stamp()}
    doc["context"] = doc["context"] or "default"
    made = hub.store.add("status", doc, repo["id"], sha)
    hub.emit(repo["id"], "status", {**shapes.status(hub, repo, made), "repository": shapes.repository(hub, repo)})
    return made


def statuses(hub: Hub, repo: Doc, sha: str) -> list[Doc]:
    """All of them, newest first."""
    return list(reversed(hub.store.find("status", repo["id"], commit_of(hub, repo, sha))))


def latest_statuses(hub: Hub, repo: Doc, sha: str) -> list[Doc]:
    newest: dict[str, Doc] = {}
    for doc in statuses(hub, repo, sha):
        newest.setdefault(doc["context"], doc)
    return list(newest.values())


def combined(found: list[Doc]) -> str:
    states = {doc["state"] for doc in found}
    if states & {"error", "failure"}:
        return "failure"
    return "pending" if not states or "pending" in states else "success"


def check_run(hub: Hub, repo: Doc, author: str, said: Doc) -> Doc:
    name, sha = said.get("name"), said.get("head_sha")
    if not name or not isinstance(sha, str):
        raise invalid("CheckRun", "name", "name and head_sha are needed")
    sha = commit_of(hub, repo, sha)
    doc = {"name": name, "sha": sha, "app": author, "status": "queued", "conclusion": None, "started_at": hub.stamp()}
    doc |= {"completed_at": None, "details_url": "", "output": {}, "external_id": ""}
    made = hub.store.add("check", _changed_check(hub, doc, said), repo["id"], sha)
    _tell_check(hub, repo, made, "created")
    return made


def edit_check_run(hub: Hub, repo: Doc, doc: Doc, said: Doc) -> Doc:
    new = _changed_check(hub, doc, said)
    hub.store.save("check", new)
    _tell_check(hub, repo, new, "completed" if new["conclusion"] else "created")
    return new


def check_runs(hub: Hub, repo: Doc, sha: str, latest: bool = True) -> list[Doc]:
    found = hub.store.find("check", repo["id"], commit_of(hub, repo, sha))
    if latest:
        found = list({(doc["app"], doc["name"]): doc for doc in found}.values())
    return list(reversed(found))


def deployment(hub: Hub, repo: Doc, author: str, said: Doc) -> Doc:
    sha = commit_of(hub, repo, str(said.get("ref") or ""))
    doc = {"ref": said["ref"], "sha": sha, "creator": author, "environment": said.get("environment") or "production"}
    doc |= {"description": said.get("description") or "", "task": "deploy", "payload": said.get("payload") or {}}
    doc |= {"created_at": hub.stamp(), "transient_environment": bool(said.get("transient_environment"))}
    if hub.store.one("environment", repo["id"], doc["environment"]) is None:
        hub.store.add("environment", {"name": doc["environment"]}, repo["id"], doc["environment"])
    return hub.store.add("deployment", doc, repo["id"], sha)


def deployments(hub: Hub, repo: Doc) -> list[Doc]:
    """Newest first."""
    return list(reversed(hub.store.find("deployment", repo["id"])))


def deployment_statuses(hub: Hub, repo: Doc, parent: Doc) -> list[Doc]:
    """Newest first."""
    return list(reversed(hub.store.find("deployment_status", repo["id"], parent["id"])))


def remove_deployment(hub: Hub, repo: Doc, doc: Doc) -> None:
    """As on GitHub: never an active one, unless it is the only one that there is."""
    said = deployment_statuses(hub, repo, doc)
    if said and said[0]["state"] == "success" and len(deployments(hub, repo)) > 1:
        raise Refusal(
            422, "We cannot delete an active deployment unless it is the only deployment in a given repository."
        )
    hub.store.drop("deployment", doc["id"])


def remove_environment(hub: Hub, repo: Doc, name: str) -> None:
    found = hub.store.one("environment", repo["id"], name)
    if found is None:
        raise not_found()
    hub.store.drop("environment", found["id"])


def deployment_status(hub: Hub, repo: Doc, parent: Doc, author: str, said: Doc) -> Doc:
    state = said.get("state")
    if state not in DEPLOYMENT_STATES:
        raise invalid("DeploymentStatus", "state", f"state {state!r} is none of {', '.join(DEPLOYMENT_STATES)}")
    texts = {key: str(said.get(key) or "") for key in ("description", "environment_url", "log_url")}
    doc = {**texts, "state": state, "creator": author, "created_at": hub.stamp(), "deployment": parent["id"]}
    return hub.store.add("deployment_status", doc, repo["id"], parent["id"])


def own(hub: Hub, repo: Doc, kind: str, number: int) -> Doc:
    """A thing by its id, provided it is this repository's."""
    found = hub.store.get(kind, number)
    if found is None or all(doc["id"] != number for doc in hub.store.find(kind, repo["id"])):
        raise not_found()
    return found


def _body(body: Any) -> str:
    if not isinstance(body, str) or not body.strip():
        raise invalid("IssueComment", "body", "body cannot be blank")
    if len(body) > MOST:
        raise invalid("IssueComment", "body", f"body is too long (maximum is {MOST} characters)")
    return body


def _changed_check(hub: Hub, doc: Doc, said: Doc) -> Doc:
    kept: Doc = {key: said[key] for key in ("name", "status", "conclusion", "details_url", "output", "external_id")
            if key in said}  # fmt: skip
    new: Doc = {**doc, **kept}
    if new["conclusion"] is not None and new["conclusion"] not in CONCLUSIONS:
        raise invalid("CheckRun", "conclusion", f"conclusion {new['conclusion']!r} is not one that GitHub knows")
    if new["status"] in ("queued", "in_progress") and "conclusion" not in said:
        return {**new, "conclusion": None, "completed_at": None}
    if new["conclusion"]:
        return {**new, "status": "completed", "completed_at": said.get("completed_at") or hub.stamp()}
    return new


def _tell_comment(hub: Hub, repo: Doc, pull: Doc, doc: Doc, action: str) -> None:
    payload = {"action": action, "issue": shapes.issue(hub, repo, pull), "comment": shapes.comment(hub, repo, doc)}
    hub.emit(repo["id"], "issue_comment", {**payload, "repository": shapes.repository(hub, repo)})


def _tell_check(hub: Hub, repo: Doc, doc: Doc, action: str) -> None:
    payload = {"action": action, "check_run": shapes.check_run(hub, repo, doc)}
    hub.emit(repo["id"], "check_run", {**payload, "repository": shapes.repository(hub, repo)})
