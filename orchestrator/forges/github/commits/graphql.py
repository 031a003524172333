"""Queries many commits at once (GraphQL): the checks and statuses of each, and the content of one file.

The commits of one query share its cost: GitHub counts connections, and a hundred of them cost one point, whereas REST
takes three requests per commit. Names and commits are inserted as JSON strings, which are valid GraphQL strings.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from orchestrator.forges.github import parsers
from orchestrator.forges.github.parsers import CheckRun, CommitStatus

BATCH_SIZE = 50
"""Commits per query. More would be cheaper, but closer to GitHub's timeout of ten seconds."""

_COMMIT = """... on Commit {
 statusCheckRollup { contexts(first: 100) { pageInfo { hasNextPage } nodes { __typename
  ... on CheckRun { databaseId name status conclusion title summary detailsUrl }
  ... on StatusContext { context state description creator { __typename login } } } } }
 file(path: %s) { object { ... on Blob { byteSize isBinary isTruncated text } } } }"""


@dataclass(frozen=True, slots=True)
class CommitRef:
    """``path`` is the repository's, ``/repos/owner/name``; ``repository`` is its ID, which the response must
    contain."""

    path: str
    repository: int
    sha: str


@dataclass(frozen=True, slots=True)
class CommitData:
    """``statuses`` and ``runs`` None: incomplete. ``file`` None: unknown; an empty tuple: it doesn't exist."""

    statuses: tuple[CommitStatus, ...] | None
    runs: tuple[CheckRun, ...] | None
    file: tuple[bytes, ...] | None


def build_query(commits: Sequence[CommitRef], file: str) -> str:
    lines = ["query {", " rateLimit { cost remaining limit }"]
    by_path: dict[str, list[int]] = {}
    for index, place in enumerate(commits):
        by_path.setdefault(place.path, []).append(index)
    for number, (path, indexes) in enumerate(by_path.items()):
        owner, name = path.removeprefix("/repos/").split("/", 1)
        lines.append(f" r{number}: repository(owner: {json.dumps(owner)}, name: {json.dumps(name)}) {{ databaseId")
        for index in indexes:
            oid = json.dumps(commits[index].sha)
            lines.append(f"  c{index}: object(oid: {oid}) {{ {_COMMIT % json.dumps(file)} }}")
        lines.append(" }")
    return "\n".join([*lines, "}"])


def query_cost(data: Any) -> int:
    limit = (data.get("data") or {}).get("rateLimit") or {}
    return max(1, int(limit.get("cost") or 1))


def parse_response(data: Any, commits: Sequence[CommitRef]) -> Mapping[CommitRef, CommitData]:
    """Data of the commits in the response. Missing ones (no access, not pushed yet) are read in other ways."""
    found: dict[CommitRef, CommitData] = {}
    for name, home in (data.get("data") or {}).items():
        if name.startswith("r") and name[1:].isdigit() and isinstance(home, dict):
            for alias, commit in home.items():
                place = _commit_ref(alias, commits)
                if place is not None and commit and home.get("databaseId") == place.repository:
                    found[place] = _commit_data(commit)
    return found


def _commit_ref(alias: str, commits: Sequence[CommitRef]) -> CommitRef | None:
    number = alias[1:]
    if not alias.startswith("c") or not number.isdigit() or int(number) >= len(commits):
        return None
    return commits[int(number)]


def _commit_data(commit: Mapping[str, Any]) -> CommitData:
    rollup = commit.get("statusCheckRollup")
    file = _file(commit.get("file"))
    if rollup is None:
        return CommitData((), (), file)
    contexts = rollup["contexts"]
    if contexts["pageInfo"]["hasNextPage"]:
        return CommitData(None, None, file)
    nodes = contexts["nodes"]
    return CommitData(
        tuple(_status(node) for node in nodes if node["__typename"] == "StatusContext"),
        tuple(_run(node) for node in nodes if node["__typename"] == "CheckRun"),
        file,
    )


def _status(node: Mapping[str, Any]) -> CommitStatus:
    """REST and GraphQL name users alike except that only REST adds [bot] to an App's name."""
    creator = node.get("creator") or {}
    login = str(creator.get("login") or "")
    if creator.get("__typename") == "Bot" and not login.endswith("[bot]"):
        login += "[bot]"
    state = parsers.status_state(str(node["state"]).lower())
    return CommitStatus(str(node["context"]), state, str(node.get("description") or ""), login)


def _run(node: Mapping[str, Any]) -> CheckRun:
    output = {"title": node.get("title"), "summary": node.get("summary")}
    return parsers.check_run(
        {
            "id": node["databaseId"],
            "name": node["name"],
            "status": str(node["status"]).lower(),
            "conclusion": str(node.get("conclusion") or "").lower(),
            "output": output,
            "details_url": node.get("detailsUrl"),
        }
    )


def _file(entry: Any) -> tuple[bytes, ...] | None:
    if entry is None:
        return ()
    blob = entry.get("object") or {}
    text = blob.get("text")
    if not isinstance(text, str) or blob.get("isBinary") or blob.get("isTruncated"):
        return None
    content = text.encode()
    return (content,) if len(content) == blob.get("byteSize") else None
