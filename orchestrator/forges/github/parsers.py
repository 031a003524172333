"""Parses GitHub's JSON into values. An unexpected shape raises, and nothing of it is used."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from orchestrator.core.model.world import CheckState
from orchestrator.forges.port import Repository
from orchestrator.forges.pull_requests import PullRequest, PullState
from stacks import keys
from stacks.model import Key

PASSED = frozenset({"success", "neutral", "skipped"})
SEVERITY = (CheckState.PASSED, CheckState.PENDING, CheckState.FAILED)


@dataclass(frozen=True, slots=True)
class ListedRepository:
    """A repository, and whether it is read-only."""

    repository: Repository
    is_archived: bool


@dataclass(frozen=True, slots=True)
class ReportComment:
    id: int
    author: str
    body: str


@dataclass(frozen=True, slots=True)
class IssueComment:
    id: int
    number: int
    author: str
    body: str
    created: datetime
    updated: datetime
    by_bot: bool
    reactions: int


@dataclass(frozen=True, slots=True)
class CommitStatus:
    context: str
    state: CheckState
    description: str
    creator: str


@dataclass(frozen=True, slots=True)
class CheckRun:
    id: int
    name: str
    state: CheckState
    status: str
    conclusion: str
    title: str
    summary: str
    details_url: str
    app: str = ""

    def is_by(self, login: str, names_apps: bool) -> bool:
        """Whether that account's app created it. GitHub names the app of every run, unless the app was deleted; on a
        host that never does, only we create them."""
        return self.app == login or f"{self.app}[bot]" == login or not (self.app or names_apps)


@dataclass(frozen=True, slots=True)
class DeploymentRef:
    id: int
    sha: str


@dataclass(frozen=True, slots=True)
class GitTree:
    """One git folder, by name. Not ``complete``: it contains more than the response."""

    files: Mapping[str, str]
    folders: Mapping[str, str]
    complete: bool = True


@dataclass(frozen=True, slots=True)
class DeploymentStatus:
    state: str
    description: str
    environment_url: str


def repository(data: Any) -> Repository:
    names = (str(data["full_name"]), str(data["clone_url"]), str(data["default_branch"]))
    return Repository(int(data["id"]), *names, str(data.get("pushed_at") or ""))


def listed_repository(data: Any) -> ListedRepository:
    return ListedRepository(repository(data), bool(data.get("archived")))


def listed_repositories(data: Any) -> list[ListedRepository]:
    """Everything that we can access. An App's list is wrapped in an object."""
    listed = data["repositories"] if isinstance(data, dict) else data
    return [listed_repository(item) for item in _list(listed)]


def content(data: Any) -> Mapping[str, Any]:
    """For a folder, the response is the list of its entries."""
    return {"type": "folder"} if isinstance(data, list) else dict(data)


def tree(data: Any) -> GitTree:
    listed = [(str(item["type"]), str(item["path"]), str(item["sha"])) for item in _list(data["tree"])]
    files = {path: sha for kind, path, sha in listed if kind == "blob"}
    return GitTree(files, {path: sha for kind, path, sha in listed if kind == "tree"}, not data.get("truncated"))


def blob(data: Any) -> bytes:
    if data.get("encoding") != "base64":
        raise ValueError(f"a blob in the encoding {data.get('encoding')!r}")
    return base64.b64decode(str(data["content"]))


def login(data: Any) -> str:
    return str(data["login"])


def permission(data: Any) -> bool:
    """Whether it is sufficient to push. ``permission`` has only the four old values; ``role_name`` has the newer
    ones."""
    return str(data["permission"]) in ("admin", "write") or data.get("role_name") in ("admin", "maintain", "write")


def pull(data: Any) -> PullRequest:
    head, base = data["head"], data["base"]
    home = int(base["repo"]["id"])
    source = head.get("repo")
    return PullRequest(
        key=keys.pull_request(home, int(data["number"])),
        state=_state(data),
        title=str(data["title"]),
        labels=frozenset(str(label["name"]) for label in data["labels"]),
        author=str((data.get("user") or {}).get("login") or "ghost"),
        head_sha=str(head["sha"]),
        head_ref=str(head["ref"]),
        base_ref=str(base["ref"]),
        url=str(data["html_url"]),
        from_fork=source is None or int(source["id"]) != home,
        draft=bool(data.get("draft")),
    )


def pulls(data: Any) -> list[PullRequest]:
    return [pull(item) for item in _list(data)]


def changed_paths(data: Any) -> list[tuple[str, ...]]:
    """Each file's name, and its previous name."""
    return [tuple(str(item[key]) for key in ("filename", "previous_filename") if item.get(key)) for item in _list(data)]


@dataclass(frozen=True, slots=True)
class GitRef:
    """``name`` is complete: refs/heads/main. ``annotated``: ``sha`` is a tag object's, not a commit's."""

    name: str
    sha: str
    annotated: bool


def refs(data: Any) -> list[GitRef]:
    return [
        GitRef(str(item["ref"]), str(item["object"]["sha"]), item["object"].get("type") == "tag")
        for item in _list(data)
    ]


def tag_target(data: Any) -> tuple[str, bool]:
    """The target of a tag object, and whether that is a tag object, too."""
    return str(data["object"]["sha"]), data["object"].get("type") == "tag"


def comments(data: Any) -> list[ReportComment]:
    return [comment(item) for item in _list(data)]


def comment(data: Any) -> ReportComment:
    return ReportComment(
        int(data["id"]), str((data.get("user") or {}).get("login") or "ghost"), str(data.get("body") or "")
    )


def issue_comments(data: Any) -> list[IssueComment]:
    return [issue_comment(item) for item in _list(data)]


def issue_comment(data: Any) -> IssueComment:
    """``reactions`` -1: not included, so they have to be requested."""
    user = data.get("user") or {}
    count = (data.get("reactions") or {}).get("total_count")
    return IssueComment(
        id=int(data["id"]),
        number=int(str(data["issue_url"]).rpartition("/")[2]),
        author=str(user.get("login") or "ghost"),
        body=str(data.get("body") or ""),
        created=_time(data["created_at"]),
        updated=_time(data["updated_at"]),
        by_bot=str(user.get("type")) == "Bot" or data.get("performed_via_github_app") is not None,
        reactions=-1 if count is None else int(count),
    )


def reactions(data: Any) -> list[tuple[str, str]]:
    """The user and the reaction."""
    return [(str((item.get("user") or {}).get("login") or ""), str(item["content"])) for item in _list(data)]


def statuses(data: Any) -> list[CommitStatus]:
    return [
        CommitStatus(str(item["context"]), status_state(str(item["state"])), str(item.get("description") or ""),
               str((item.get("creator") or {}).get("login") or ""))
        for item in _list(data)
    ]  # fmt: skip


def check_runs(data: Any) -> list[CheckRun]:
    return [check_run(item) for item in _list(data["check_runs"])]


def check_run(data: Any) -> CheckRun:
    status, conclusion = str(data["status"]), str(data.get("conclusion") or "")
    state = CheckState.PENDING
    if status == "completed":
        state = CheckState.PASSED if conclusion in PASSED else CheckState.FAILED
    output = data.get("output") or {}
    texts = [str(output.get(key) or "") for key in ("title", "summary")]
    url = str(data.get("details_url") or "")
    app = str((data.get("app") or {}).get("slug") or "")
    return CheckRun(int(data["id"]), str(data["name"]), state, status, conclusion, texts[0], texts[1], url, app)


def deployments(data: Any) -> list[DeploymentRef]:
    return [deployment(item) for item in _list(data)]


def deployment(data: Any) -> DeploymentRef:
    return DeploymentRef(int(data["id"]), str(data["sha"]))


def deployment_status(data: Any) -> DeploymentStatus | None:
    """The newest of a list; None if it is empty."""
    for item in _list(data):
        texts = [str(item.get(key) or "") for key in ("description", "environment_url")]
        return DeploymentStatus(str(item["state"]), texts[0], texts[1])
    return None


def newest(found: Iterable[CommitStatus]) -> list[CommitStatus]:
    """GitHub lists every status ever set, newest first; the first of each context counts."""
    return list({status.context: status for status in reversed(list(found))}.values())


def worst(pairs: Iterable[tuple[str, CheckState]]) -> Mapping[str, CheckState]:
    """If two apps have a check of the same name, the worse one counts."""
    found: dict[str, CheckState] = {}
    for name, state in pairs:
        found[name] = max(state, found.get(name, state), key=SEVERITY.index)
    return found


def is_ours(name: str) -> bool:
    return name == "eph" or name.startswith(("eph/", "eph:", "eph "))


def gone_pull(key: Key) -> PullRequest:
    return PullRequest(key, PullState.GONE, "", frozenset(), "", "", "", "", "")


def _state(data: Any) -> PullState:
    if data["state"] == "open":
        return PullState.OPEN
    if data["state"] != "closed":
        raise ValueError(f"state {data['state']!r}")
    return PullState.MERGED if data.get("merged_at") or data.get("merged") else PullState.CLOSED


def _time(text: Any) -> datetime:
    return datetime.fromisoformat(str(text)).astimezone(UTC)


def status_state(state: str) -> CheckState:
    return {"success": CheckState.PASSED, "pending": CheckState.PENDING}.get(state, CheckState.FAILED)


def _list(data: Any) -> list[Any]:
    if not isinstance(data, list):
        raise TypeError(f"expected a list, not {type(data).__name__}")
    return data
