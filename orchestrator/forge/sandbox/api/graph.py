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

from orchestrator.forge.sandbox import apps, gits, reports, shapes
from orchestrator.forge.sandbox.api.way import Answer, Call
from orchestrator.forge.sandbox.hub import Moved, Refusal
from orchestrator.forge.sandbox.store import Doc

TOKEN = re.compile(r'\s*(\.\.\.|[A-Za-z_]\w*|[{}():,]|-?\d+|"(?:\\.|[^"\\])*")')
MOST_DEEP = 20


@dataclass(slots=True)
class Field:
    """``on``: only for that type; then it has no name of its own."""

    name: str = ""
    alias: str = ""
    on: str = ""
    arguments: dict[str, Any] = field(default_factory=dict)
    fields: list[Field] = field(default_factory=list)


class Reader:
    def __init__(self, text: str) -> None:
        self._tokens = TOKEN.findall(text)
        if TOKEN.sub("", text).strip():
            raise Refusal(400, "Problems parsing the query")
        self._at = 0

    def document(self) -> list[Field]:
        if self._peek() == "query":
            self._take()
        found = self._selection(0)
        if self._peek():
            raise Refusal(400, f"unexpected {self._peek()!r}")
        return found

    def _selection(self, depth: int) -> list[Field]:
        if depth > MOST_DEEP:
            raise Refusal(400, "the query is too deep")
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
            return Field(on=self._take(), fields=self._selection(depth + 1))
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
        return self._tokens[self._at] if self._at < len(self._tokens) else ""

    def _take(self) -> str:
        if self._at >= len(self._tokens):
            raise Refusal(400, "the query ends too early")
        self._at += 1
        return str(self._tokens[self._at - 1])

    def _expect(self, token: str) -> None:
        if self._take() != token:
            raise Refusal(400, f"{token!r} was expected")


def query(call: Call) -> Answer:
    """Unlike REST's, an error about one thing is told beside the data of the others."""
    call.who()
    fields = Reader(str(call.said().get("query") or "")).document()
    problems: list[Doc] = []
    cost = max(1, _connections(fields, 1) // 100)
    data = {item.alias: _root(call, item, cost, problems) for item in fields}
    return Answer({"data": data, **({"errors": problems} if problems else {})}, cost=cost)


def _connections(fields: list[Field], times: int) -> int:
    found = 0
    for item in fields:
        first = item.arguments.get("first")
        found += times if first else 0
        found += _connections(item.fields, times * (int(first) if first else 1))
    return found


def _root(call: Call, item: Field, cost: int, problems: list[Doc]) -> Any:
    if item.name == "rateLimit":
        return {"cost": cost, "remaining": 5000 - cost, "limit": 5000}
    if item.name != "repository":
        problems.append({"type": "UNKNOWN", "path": [item.alias], "message": f"Field {item.name!r} doesn't exist"})
        return None
    try:
        repo = call.hub.repository(str(item.arguments["owner"]), str(item.arguments["name"]))
        call.hub.may(repo, call.login, "read")
    except Moved as moved:
        repo = call.hub.repository_by_id(moved.repository)
    except Refusal:
        problems.append({"type": "NOT_FOUND", "path": [item.alias], "message": "Could not resolve to a Repository"})
        return None
    return _resolve(item.fields, "Repository", _repository(call, repo, _objects(call, repo, item)))


Resolver = Callable[[Field], Any]


def _resolve(fields: list[Field], kind: str, known: Mapping[str, Resolver]) -> Doc:
    found: Doc = {}
    for item in fields:
        if item.on:
            found |= _resolve(item.fields, kind, known) if item.on == kind else {}
        elif item.name == "__typename":
            found[item.alias] = kind
        elif item.name in known:
            found[item.alias] = known[item.name](item)
        else:
            raise Refusal(400, f"Field {item.name!r} doesn't exist on type {kind!r}")
    return found


def _plain(doc: Mapping[str, Any]) -> dict[str, Resolver]:
    return {name: _given(value) for name, value in doc.items()}


def _given(value: Any) -> Resolver:
    return lambda _: value


Objects = Mapping[str, tuple[str, str, bytes] | None]


def _objects(call: Call, repo: Doc, item: Field) -> Objects:
    """Everything of git that the fields below speak of, asked for together."""
    names = []
    for commit in (one for one in item.fields if one.name == "object"):
        oid = str(commit.arguments["oid"])
        if not gits.SHA.fullmatch(oid):
            raise Refusal(400, f"{oid!r} is not a GitObjectID")
        paths = (str(one.arguments["path"]) for kind in commit.fields for one in kind.fields if one.name == "file")
        names += [_commit_of(oid), *(_file_of(oid, gits.check_path(path)) for path in paths)]
    return dict(zip(names, gits.objects(call.hub.path(repo), names), strict=True)) if names else {}


def _commit_of(oid: str) -> str:
    return f"{oid}^{{commit}}"


def _file_of(oid: str, path: str) -> str:
    return f"{oid}:{path}"


def _repository(call: Call, repo: Doc, objects: Objects) -> Mapping[str, Resolver]:
    def commit(item: Field) -> Doc | None:
        oid = str(item.arguments["oid"])
        if objects[_commit_of(oid)] is None:
            return None
        call.hub.commits.add((repo["id"], oid))
        return _resolve(item.fields, "Commit", _commit(call, repo, oid, objects))

    plain = {"databaseId": repo["id"], "nameWithOwner": shapes.full_name(repo), "isArchived": False}
    return {**_plain(plain), "object": commit}


def _commit(call: Call, repo: Doc, sha: str, objects: Objects) -> Mapping[str, Resolver]:
    """``sha`` is whole: GitHub takes no shorter one here."""

    def rollup(item: Field) -> Doc | None:
        runs = [("CheckRun", _run(doc)) for doc in reports.check_runs(call.hub, repo, sha)]
        statuses = [("StatusContext", _status(doc)) for doc in reports.latest_statuses(call.hub, repo, sha)]
        nodes = [*runs, *statuses]
        return _resolve(item.fields, "StatusCheckRollup", {"contexts": contexts(nodes)}) if nodes else None

    def contexts(nodes: list[tuple[str, Mapping[str, Resolver]]]) -> Resolver:
        def connection(item: Field) -> Doc:
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

    def file(item: Field) -> Doc | None:
        found = objects[_file_of(sha, str(item.arguments["path"]))]
        if found is None or found[1] != "blob":
            return None
        blob = _blob(found[2])
        return _resolve(item.fields, "TreeEntry", {"object": lambda inner: _resolve(inner.fields, "Blob", blob)})

    return {**_plain({"oid": sha}), "statusCheckRollup": rollup, "file": file}


def _blob(data: bytes) -> Mapping[str, Resolver]:
    try:
        text: str | None = data.decode()
    except UnicodeDecodeError:
        text = None
    return _plain({"byteSize": len(data), "isBinary": text is None, "isTruncated": False, "text": text})


def _run(doc: Doc) -> Mapping[str, Resolver]:
    upper = {key: str(doc[key]).upper() if doc[key] else None for key in ("status", "conclusion")}
    output = {key: doc["output"].get(key) for key in ("title", "summary")}
    slug = str(doc["app"]).removesuffix(apps.BOT)

    def suite(item: Field) -> Doc:
        app = _plain({"slug": slug})
        return _resolve(item.fields, "CheckSuite", {"app": lambda inner: _resolve(inner.fields, "App", app)})

    plain = {"databaseId": doc["id"], "name": doc["name"], "detailsUrl": doc["details_url"] or None, **upper, **output}
    return {**_plain(plain), "checkSuite": suite}


def _status(doc: Doc) -> Mapping[str, Resolver]:
    """An App's name has no [bot] here, and its type says what it is."""
    login = str(doc["creator"])
    kind = "Bot" if login.endswith(apps.BOT) else "User"
    person = _plain({"login": login.removesuffix(apps.BOT)})
    plain = {"context": doc["context"], "state": str(doc["state"]).upper(), "description": doc["description"] or None}
    return {**_plain(plain), "creator": lambda item: _resolve(item.fields, kind, person)}
