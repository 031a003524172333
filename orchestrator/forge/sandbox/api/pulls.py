"""Pull requests, their labels and their comments."""

from __future__ import annotations

from orchestrator.forge.sandbox import gits, pulls, reports, shapes
from orchestrator.forge.sandbox.api.way import Answer, Call, paged
from orchestrator.forge.sandbox.hub import Refusal, not_found
from orchestrator.forge.sandbox.store import Doc


def _pull(call: Call, wanted: str = "read") -> tuple[Doc, Doc]:
    repo = call.repo(wanted)
    return repo, pulls.get(call.hub, repo, call.params["number"])


def listing(call: Call) -> Answer:
    repo = call.repo()
    found = pulls.listing(call.hub, repo, call.query.get("state", "open"))
    if call.query.get("direction") == "asc":
        found.reverse()
    wanted = [doc for doc in found if call.query.get("base") in (None, doc["base_ref"])]
    return paged(call, [shapes.pull(call.hub, repo, doc) for doc in wanted])


def one(call: Call) -> Answer:
    repo, doc = _pull(call)
    shape = shapes.pull(call.hub, repo, doc)
    base = pulls.base_sha(call.hub, repo, doc)
    fits = doc["state"] == "open" and gits.mergeable(call.hub.path(repo), base, doc["head_sha"])
    count = len(reports.comments(call.hub, repo, doc))
    return Answer({**shape, "mergeable": fits, "mergeable_state": "clean" if fits else "dirty", "comments": count})


def create(call: Call) -> Answer:
    repo, said = call.repo(), call.said()
    texts = [str(said.get(key) or "") for key in ("title", "head", "base", "body")]
    doc = pulls.open_pull(call.hub, repo, call.who(), *texts)
    if said.get("draft"):
        doc = pulls.edit(call.hub, repo, doc, {"draft": True})
    return Answer(shapes.pull(call.hub, repo, doc), 201)


def change(call: Call) -> Answer:
    repo, doc = _pull(call)
    if doc["user"] != call.who():
        call.repo("write")
    return Answer(shapes.pull(call.hub, repo, pulls.edit(call.hub, repo, doc, call.said())))


def merge(call: Call) -> Answer:
    repo, doc = _pull(call, "write")
    expected = (call.body or {}).get("sha") if isinstance(call.body, dict) else None
    if expected and expected != doc["head_sha"]:
        raise Refusal(409, "Head branch was modified. Review and try the merge again.")
    new = pulls.merge(call.hub, repo, doc, call.login)
    return Answer({"sha": new["merge_commit_sha"], "merged": True, "message": "Pull Request successfully merged"})


def files(call: Call) -> Answer:
    repo, doc = _pull(call)
    base = pulls.base_sha(call.hub, repo, doc)
    names = gits.changed_paths(call.hub.path(repo), base, doc["head_sha"])
    return paged(call, [{"filename": name, "status": "modified"} for name in names])


def issue(call: Call) -> Answer:
    repo, doc = _pull(call)
    return Answer(shapes.issue(call.hub, repo, doc))


def labels(call: Call) -> Answer:
    repo, doc = _pull(call)
    return paged(call, shapes.labels(call.hub, repo, doc["labels"]))


def _names(call: Call) -> list[str]:
    """GitHub takes a list, or an object with one; PyGithub sends the list."""
    said = call.body.get("labels") if isinstance(call.body, dict) else call.body
    if not isinstance(said, list):
        raise Refusal(422, "labels should be a list of names")
    return [str(item["name"] if isinstance(item, dict) else item) for item in said]


def add_labels(call: Call) -> Answer:
    repo, doc = _pull(call, "write")
    new = pulls.label(call.hub, repo, doc, [*doc["labels"], *_names(call)])
    return Answer(shapes.labels(call.hub, repo, new["labels"]))


def set_labels(call: Call) -> Answer:
    repo, doc = _pull(call, "write")
    new = pulls.label(call.hub, repo, doc, _names(call))
    return Answer(shapes.labels(call.hub, repo, new["labels"]))


def remove_label(call: Call) -> Answer:
    repo, doc = _pull(call, "write")
    name = call.params["label"]
    if name not in doc["labels"]:
        raise Refusal(404, "Label does not exist")
    new = pulls.label(call.hub, repo, doc, [kept for kept in doc["labels"] if kept != name])
    return Answer(shapes.labels(call.hub, repo, new["labels"]))


def repository_labels(call: Call) -> Answer:
    repo = call.repo()
    names = [doc["name"] for doc in call.hub.store.find("label", repo["id"])]
    return paged(call, shapes.labels(call.hub, repo, names))


def comments(call: Call) -> Answer:
    repo, doc = _pull(call)
    return paged(call, [shapes.comment(call.hub, repo, item) for item in reports.comments(call.hub, repo, doc)])


def create_comment(call: Call) -> Answer:
    repo, doc = _pull(call)
    made = reports.comment(call.hub, repo, doc, call.who(), call.said().get("body", ""))
    return Answer(shapes.comment(call.hub, repo, made), 201)


def _comment(call: Call, write: bool = False) -> tuple[Doc, Doc]:
    repo = call.repo()
    doc = reports.own(call.hub, repo, "comment", call.params["number"])
    if write and doc["user"] != call.who():
        call.repo("write")
    return repo, doc


def comment(call: Call) -> Answer:
    repo, doc = _comment(call)
    return Answer(shapes.comment(call.hub, repo, doc))


def all_comments(call: Call) -> Answer:
    repo = call.repo()
    found = reports.all_comments(call.hub, repo, call.query)
    return paged(call, [shapes.comment(call.hub, repo, item) for item in found])


def reactions(call: Call) -> Answer:
    repo, doc = _comment(call)
    return paged(call, [shapes.reaction(call.hub, item) for item in reports.reactions(call.hub, repo, doc)])


def create_reaction(call: Call) -> Answer:
    repo, doc = _comment(call)
    made, fresh = reports.react(call.hub, repo, doc, call.who(), call.said().get("content"))
    return Answer(shapes.reaction(call.hub, made), 201 if fresh else 200)


def change_comment(call: Call) -> Answer:
    repo, doc = _comment(call, write=True)
    return Answer(
        shapes.comment(call.hub, repo, reports.edit_comment(call.hub, repo, doc, str(call.said().get("body") or "")))
    )


def delete_comment(call: Call) -> Answer:
    _, doc = _comment(call, write=True)
    call.hub.store.drop("comment", doc["id"])
    return Answer(None, 204)


def nothing(_: Call) -> Answer:
    """What GitHub says of a path it does not know."""
    raise not_found()
