"""Pull requests, their labels and their comments."""

from __future__ import annotations

from orchestrator.demo.github.api.http import ApiResponse, Call, paged
from orchestrator.demo.github.state import commit_reports, git_repositories, pull_requests, serializers
from orchestrator.demo.github.state.document_store import Document
from orchestrator.demo.github.state.hub import GitHubApiError, not_found


def _pull(call: Call, permission: str = "read") -> tuple[Document, Document]:
    repo = call.repo(permission)
    return repo, pull_requests.get(call.hub, repo, call.params["number"])


def listing(call: Call) -> ApiResponse:
    repo = call.repo()
    found = pull_requests.listing(call.hub, repo, call.query.get("state", "open"))
    if call.query.get("direction") == "asc":
        found.reverse()
    wanted = [doc for doc in found if call.query.get("base") in (None, doc["base_ref"])]
    return paged(call, [serializers.pull(call.hub, repo, doc) for doc in wanted])


def one(call: Call) -> ApiResponse:
    repo, doc = _pull(call)
    shape = serializers.pull(call.hub, repo, doc)
    base = pull_requests.base_sha(call.hub, repo, doc)
    fits = doc["state"] == "open" and git_repositories.mergeable(call.hub.path(repo), base, doc["head_sha"])
    count = len(commit_reports.comments(call.hub, repo, doc))
    return ApiResponse({**shape, "mergeable": fits, "mergeable_state": "clean" if fits else "dirty", "comments": count})


def create(call: Call) -> ApiResponse:
    repo, said = call.repo(), call.json_object()
    texts = [str(said.get(key) or "") for key in ("title", "head", "base", "body")]
    doc = pull_requests.open_pull(call.hub, repo, call.require_login(), *texts)
    if said.get("draft"):
        doc = pull_requests.edit(call.hub, repo, doc, {"draft": True})
    return ApiResponse(serializers.pull(call.hub, repo, doc), 201)


def change(call: Call) -> ApiResponse:
    repo, doc = _pull(call)
    if doc["user"] != call.require_login():
        call.repo("write")
    return ApiResponse(serializers.pull(call.hub, repo, pull_requests.edit(call.hub, repo, doc, call.json_object())))


def merge(call: Call) -> ApiResponse:
    repo, doc = _pull(call, "write")
    expected = (call.body or {}).get("sha") if isinstance(call.body, dict) else None
    if expected and expected != doc["head_sha"]:
        raise GitHubApiError(409, "Head branch was modified. Review and try the merge again.")
    new = pull_requests.merge(call.hub, repo, doc, call.login)
    return ApiResponse({"sha": new["merge_commit_sha"], "merged": True, "message": "Pull Request successfully merged"})


def files(call: Call) -> ApiResponse:
    repo, doc = _pull(call)
    base = pull_requests.base_sha(call.hub, repo, doc)
    names = git_repositories.changed_paths(call.hub.path(repo), base, doc["head_sha"])
    return paged(call, [{"filename": name, "status": "modified"} for name in names])


def issue(call: Call) -> ApiResponse:
    repo, doc = _pull(call)
    return ApiResponse(serializers.issue(call.hub, repo, doc))


def labels(call: Call) -> ApiResponse:
    repo, doc = _pull(call)
    return paged(call, serializers.labels(call.hub, repo, doc["labels"]))


def _names(call: Call) -> list[str]:
    """GitHub takes a list, or an object with one; PyGithub sends the list."""
    said = call.body.get("labels") if isinstance(call.body, dict) else call.body
    if not isinstance(said, list):
        raise GitHubApiError(422, "labels should be a list of names")
    return [str(item["name"] if isinstance(item, dict) else item) for item in said]


def add_labels(call: Call) -> ApiResponse:
    repo, doc = _pull(call, "write")
    new = pull_requests.label(call.hub, repo, doc, [*doc["labels"], *_names(call)])
    return ApiResponse(serializers.labels(call.hub, repo, new["labels"]))


def set_labels(call: Call) -> ApiResponse:
    repo, doc = _pull(call, "write")
    new = pull_requests.label(call.hub, repo, doc, _names(call))
    return ApiResponse(serializers.labels(call.hub, repo, new["labels"]))


def remove_label(call: Call) -> ApiResponse:
    repo, doc = _pull(call, "write")
    name = call.params["label"]
    if name not in doc["labels"]:
        raise GitHubApiError(404, "Label does not exist")
    new = pull_requests.label(call.hub, repo, doc, [kept for kept in doc["labels"] if kept != name])
    return ApiResponse(serializers.labels(call.hub, repo, new["labels"]))


def repository_labels(call: Call) -> ApiResponse:
    repo = call.repo()
    names = [doc["name"] for doc in call.hub.store.find("label", repo["id"])]
    return paged(call, serializers.labels(call.hub, repo, names))


def comments(call: Call) -> ApiResponse:
    repo, doc = _pull(call)
    return paged(
        call, [serializers.comment(call.hub, repo, item) for item in commit_reports.comments(call.hub, repo, doc)]
    )


def create_comment(call: Call) -> ApiResponse:
    repo, doc = _pull(call)
    made = commit_reports.comment(call.hub, repo, doc, call.require_login(), call.json_object().get("body", ""))
    return ApiResponse(serializers.comment(call.hub, repo, made), 201)


def _comment(call: Call, write: bool = False) -> tuple[Document, Document]:
    repo = call.repo()
    doc = commit_reports.get_owned(call.hub, repo, "comment", call.params["number"])
    if write and doc["user"] != call.require_login():
        call.repo("write")
    return repo, doc


def comment(call: Call) -> ApiResponse:
    repo, doc = _comment(call)
    return ApiResponse(serializers.comment(call.hub, repo, doc))


def all_comments(call: Call) -> ApiResponse:
    repo = call.repo()
    found = commit_reports.all_comments(call.hub, repo, call.query)
    return paged(call, [serializers.comment(call.hub, repo, item) for item in found])


def reactions(call: Call) -> ApiResponse:
    repo, doc = _comment(call)
    return paged(call, [serializers.reaction(call.hub, item) for item in commit_reports.reactions(call.hub, repo, doc)])


def create_reaction(call: Call) -> ApiResponse:
    repo, doc = _comment(call)
    made, fresh = commit_reports.react(call.hub, repo, doc, call.require_login(), call.json_object().get("content"))
    return ApiResponse(serializers.reaction(call.hub, made), 201 if fresh else 200)


def change_comment(call: Call) -> ApiResponse:
    repo, doc = _comment(call, write=True)
    return ApiResponse(
        serializers.comment(
            call.hub, repo, commit_reports.edit_comment(call.hub, repo, doc, str(call.json_object().get("body") or ""))
        )
    )


def delete_comment(call: Call) -> ApiResponse:
    _, doc = _comment(call, write=True)
    call.hub.store.delete("comment", doc["id"])
    return ApiResponse(None, 204)


def unknown_path(_: Call) -> ApiResponse:
    """What GitHub says of a path it does not know."""
    raise not_found()
