"""As much of GraphQL as Eph asks: repositories by name, commits in them, their checks and statuses, one file at each.

A small reader of the language (fields, aliases, arguments, fragments by type) and resolvers that are plain functions.
The price is reckoned as GitHub's documentation says: the connections that have to be followed, by the hundred. Written
from the public documentation of GraphQL and of GitHub's schema.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from orchestrator.demo.github.api.http import ApiResponse, Call
from orchestrator.demo.github.state import commit_reports, git_repositories, github_apps, serializers
from orchestrator.demo.github.state.document_store import Document
from orchestrator.demo.github.state.hub import GitHubApiError, RepositoryMoved

TOKEN = re.compile(r'\s*(\.\.\.|[A-Za-z_]\w*|[{}():,]|-?\d+|"(?:\\.|[^"\\])*")')
MAX_DEPTH = 20


@dataclass(slots=True)
class Field:
    """``on_type``: only for that type; then it has no name of its own."""

    name: str = ""
    alias: str = ""
    on_type: str = ""
    arguments: dict[str, Any] = field(default_factory=dict)
    fields: list[Field] = field(default_factory=list)


class QueryParser:
    def __init__(self, text: str) -> None:
        self._tokens = TOKEN.findall(text)
        if TOKEN.sub("", text).strip():
            raise GitHubApiError(400, "Problems parsing the query")
        self._position = 0

    def document(self) -> list[Field]:
        if self._peek() == "query":
            self._take()
        found = self._selection(0)
        if self._peek():
            raise GitHubApiError(400, f"unexpected {self._peek()!r}")
        return found

    def _selection(self, depth: int) -> list[Field]:
        if depth > MAX_DEPTH:
            raise GitHubApiError(400, "the query is too deep")
        self._expect("{")
        found = []
        while self._peek() != "}":
            found.append(self._field(depth))
        self._take()
        return found

    def _field(self, depth: int) -> Field:
        if self._peek() == "...":
            self._take()
            self._expect("on")
            return Field(on_type=self._take(), fields=self._selection(depth + 1))
        name = alias = self._take()
        if self._peek() == ":":
            self._take()
            name = self._take()
        made = Field(name, alias)
        if self._peek() == "(":
            made.arguments = self._arguments()
        if self._peek() == "{":
            made.fields = self._selection(depth + 1)
        return made

    def _arguments(self) -> dict[str, Any]:
        self._expect("(")
        found: dict[str, Any] = {}
        while self._peek() != ")":
            if self._peek() == ",":
                self._take()
                continue
            name = self._take()
            self._expect(":")
            value = self._take()
            found[name] = json.loads(value) if value[:1] in '"-0123456789' else value
        self._take()
        return found

    def _peek(self) -> str:
        return self._tokens[self._position] if self._position < len(self._tokens) else ""

    def _take(self) -> str:
        if self._position >= len(self._tokens):
            raise GitHubApiError(400, "the query ends too early")
        self._position += 1
        return str(self._tokens[self._position - 1])

    def _expect(self, token: str) -> None:
        if self._take() != token:
            raise GitHubApiError(400, f"{token!r} was expected")


def query(call: Call) -> ApiResponse:
    """Unlike REST's, an error about one thing is told beside the data of the others."""
    call.require_login()
    fields = QueryParser(str(call.json_object().get("query") or "")).document()
    problems: list[Document] = []
    cost = max(1, _connections(fields, 1) // 100)
    data = {item.alias: _root(call, item, cost, problems) for item in fields}
    return ApiResponse({"data": data, **({"errors": problems} if problems else {})}, cost=cost)


def _connections(fields: list[Field], times: int) -> int:
    found = 0
    for item in fields:
        first = item.arguments.get("first")
        found += times if first else 0
        found += _connections(item.fields, times * (int(first) if first else 1))
    return found


def _root(call: Call, item: Field, cost: int, problems: list[Document]) -> Any:
    if item.name == "rateLimit":
        return {"cost": cost, "remaining": 5000 - cost, "limit": 5000}
    if item.name != "repository":
        problems.append({"type": "UNKNOWN", "path": [item.alias], "message": f"Field {item.name!r} doesn't exist"})
        return None
    try:
        repo = call.hub.repository(str(item.arguments["owner"]), str(item.arguments["name"]))
        call.hub.require_permission(repo, call.login, "read")
    except RepositoryMoved as moved:
        repo = call.hub.repository_by_id(moved.repository)
    except GitHubApiError:
        problems.append({"type": "NOT_FOUND", "path": [item.alias], "message": "Could not resolve to a Repository"})
        return None
    return _resolve(item.fields, "Repository", _repository(call, repo, _objects(call, repo, item)))


Resolver = Callable[[Field], Any]


def _resolve(fields: list[Field], kind: str, known: Mapping[str, Resolver]) -> Document:
    found: Document = {}
    for item in fields:
        if item.on_type:
            found |= _resolve(item.fields, kind, known) if item.on_type == kind else {}
        elif item.name == "__typename":
            found[item.alias] = kind
        elif item.name in known:
            found[item.alias] = known[item.name](item)
        else:
            raise GitHubApiError(400, f"Field {item.name!r} doesn't exist on type {kind!r}")
    return found


def _constant_fields(doc: Mapping[str, Any]) -> dict[str, Resolver]:
    return {name: _constant(value) for name, value in doc.items()}


def _constant(value: Any) -> Resolver:
    return lambda _: value


Objects = Mapping[str, tuple[str, str, bytes] | None]


def _objects(call: Call, repo: Document, item: Field) -> Objects:
    """Everything of git that the fields below speak of, asked for together."""
    names = []
    for commit in (one for one in item.fields if one.name == "object"):
        oid = str(commit.arguments["oid"])
        if not git_repositories.SHA.fullmatch(oid):
            raise GitHubApiError(400, f"{oid!r} is not a GitObjectID")
        paths = (str(one.arguments["path"]) for kind in commit.fields for one in kind.fields if one.name == "file")
        names += [
            _commit_expression(oid),
            *(_file_expression(oid, git_repositories.check_path(path)) for path in paths),
        ]
    return dict(zip(names, git_repositories.objects(call.hub.path(repo), names), strict=True)) if names else {}


def _commit_expression(oid: str) -> str:
    return f"{oid}^{{commit}}"


def _file_expression(oid: str, path: str) -> str:
    return f"{oid}:{path}"


def _repository(call: Call, repo: Document, objects: Objects) -> Mapping[str, Resolver]:
    def commit(item: Field) -> Document | None:
        oid = str(item.arguments["oid"])
        if objects[_commit_expression(oid)] is None:
            return None
        call.hub.known_commits.add((repo["id"], oid))
        return _resolve(item.fields, "Commit", _commit(call, repo, oid, objects))

    plain = {"databaseId": repo["id"], "nameWithOwner": serializers.full_name(repo), "isArchived": False}
    return {**_constant_fields(plain), "object": commit}


def _commit(call: Call, repo: Document, sha: str, objects: Objects) -> Mapping[str, Resolver]:
    """``sha`` is whole: GitHub takes no shorter one here."""

    def rollup(item: Field) -> Document | None:
        runs = [("CheckRun", _run(doc)) for doc in commit_reports.check_runs(call.hub, repo, sha)]
        statuses = [("StatusContext", _status(doc)) for doc in commit_reports.latest_statuses(call.hub, repo, sha)]
        nodes = [*runs, *statuses]
        return _resolve(item.fields, "StatusCheckRollup", {"contexts": contexts(nodes)}) if nodes else None

    def contexts(nodes: list[tuple[str, Mapping[str, Resolver]]]) -> Resolver:
        def connection(item: Field) -> Document:
            first = int(item.arguments["first"])
            page = {"hasNextPage": lambda _: len(nodes) > first}
            return _resolve(
                item.fields,
                "StatusCheckRollupContextConnection",
                {
                    "pageInfo": lambda inner: _resolve(inner.fields, "PageInfo", page),
                    "nodes": lambda inner: [_resolve(inner.fields, kind, known) for kind, known in nodes[:first]],
                },
            )

        return connection

    def file(item: Field) -> Document | None:
        found = objects[_file_expression(sha, str(item.arguments["path"]))]
        if found is None or found[1] != "blob":
            return None
        blob = _blob(found[2])
        return _resolve(item.fields, "TreeEntry", {"object": lambda inner: _resolve(inner.fields, "Blob", blob)})

    return {**_constant_fields({"oid": sha}), "statusCheckRollup": rollup, "file": file}


def _blob(data: bytes) -> Mapping[str, Resolver]:
    try:
        text: str | None = data.decode()
    except UnicodeDecodeError:
        text = None
    return _constant_fields({"byteSize": len(data), "isBinary": text is None, "isTruncated": False, "text": text})


def _run(doc: Document) -> Mapping[str, Resolver]:
    upper = {key: str(doc[key]).upper() if doc[key] else None for key in ("status", "conclusion")}
    output = {key: doc["output"].get(key) for key in ("title", "summary")}
    slug = str(doc["app"]).removesuffix(github_apps.BOT_SUFFIX)

    def suite(item: Field) -> Document:
        app = _constant_fields({"slug": slug})
        return _resolve(item.fields, "CheckSuite", {"app": lambda inner: _resolve(inner.fields, "App", app)})

    plain = {"databaseId": doc["id"], "name": doc["name"], "detailsUrl": doc["details_url"] or None, **upper, **output}
    return {**_constant_fields(plain), "checkSuite": suite}


def _status(doc: Document) -> Mapping[str, Resolver]:
    """An App's name has no [bot] here, and its type says what it is."""
    login = str(doc["creator"])
    kind = "Bot" if login.endswith(github_apps.BOT_SUFFIX) else "User"
    person = _constant_fields({"login": login.removesuffix(github_apps.BOT_SUFFIX)})
    plain = {"context": doc["context"], "state": str(doc["state"]).upper(), "description": doc["description"] or None}
    return {**_constant_fields(plain), "creator": lambda item: _resolve(item.fields, kind, person)}
