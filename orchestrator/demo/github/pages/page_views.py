"""The pages and their forms."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

import jinja2
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from orchestrator.demo.github import scripting, wording
from orchestrator.demo.github.pages.render_markdown import render
from orchestrator.demo.github.state import commit_reports, git_repositories, pull_requests, serializers
from orchestrator.demo.github.state.document_store import Document
from orchestrator.demo.github.state.hub import GitHubApiError, Hub, RepositoryMoved, invalid, not_found

VISITOR = "ada"
ORGANISATION = "acme"
FORK_OWNERS = ("mallory", "grace")
"""A stranger, whose fork needs approval, and a colleague."""
MAX_FORM = 1_000_000
POLICY = "default-src 'none'; style-src 'self'; img-src * data:; form-action 'self'; frame-ancestors 'none'"
CHECK_CLASSES = {
    "success": "passed",
    "failure": "failed",
    "error": "failed",
    "timed_out": "failed",
    "cancelled": "failed",
}
REACTION_EMOJI = {
    "+1": "👍",
    "-1": "👎",
    "confused": "😕",
    "eyes": "👀",
    "laugh": "😄",
    "heart": "❤️",
    "hooray": "🎉",
    "rocket": "🚀",
}
WAITING_STATES = {"pending", "queued", "in_progress"}
SUGGESTED_LABELS = ("preview",)
MAX_TEXT = 200_000

Handle = Callable[[Request], Awaitable[Response]]


def routes(hub: Hub) -> list[Route]:
    view = PageViews(hub)
    return [
        Route("/", view.page(view.index)),
        Route("/style.css", view.style),
        Route("/new", view.form(view.create_repository), methods=["POST"]),
        Route("/{owner}/{name}/fork", view.form(view.fork), methods=["POST"]),
        Route("/{owner}/{name}", view.page(view.repository)),
        Route("/{owner}/{name}/pulls", view.form(view.open_pull), methods=["POST"]),
        Route("/{owner}/{name}/pull/{number:int}", view.page(view.pull)),
        Route("/{owner}/{name}/pull/{number:int}/{act}", view.form(view.pull_action), methods=["POST"]),
    ]


class PageViews:
    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._templates = jinja2.Environment(
            loader=jinja2.PackageLoader("orchestrator.demo.github.pages", ""), autoescape=True, trim_blocks=True
        )
        self._templates.filters |= {"markdown": render, "mark": _check_class, "ink": _label_class}
        self._style = self._templates.get_template("style.css").render()

    def page(self, load: Callable[[Request], tuple[str, Document]]) -> Handle:
        def draw(request: Request) -> Response:
            try:
                with self._hub.lock, self._hub.store.transaction():
                    template, values = load(request)
            except RepositoryMoved as moved:
                repo = self._hub.repository_by_id(moved.repository)
                return RedirectResponse(f"/{serializers.full_name(repo)}", 301)
            except GitHubApiError as refusal:
                return self._html("problem.html", {"message": refusal.message}, refusal.status)
            return self._html(template, values)

        async def handle(request: Request) -> Response:
            return await run_in_threadpool(draw, request)

        return handle

    def form(self, action: Callable[[Request, dict[str, str]], str]) -> Handle:
        """Execute the form, then show the page named by ``action``."""

        def obey(request: Request, said: dict[str, str]) -> Response:
            try:
                with self._hub.lock, self._hub.store.transaction():
                    return RedirectResponse(action(request, said), 303)
            except GitHubApiError as refusal:
                details = "; ".join(str(item["message"]) for item in refusal.errors)
                return self._html("problem.html", {"message": details or refusal.message}, refusal.status)
            except (git_repositories.GitError, RepositoryMoved) as problem:
                return self._html("problem.html", {"message": str(problem)}, 422)

        async def handle(request: Request) -> Response:
            if not self._same_origin(request):
                return self._html("problem.html", {"message": wording.OTHER_ORIGIN}, 403)
            body = b"".join([chunk async for chunk in request.stream()])
            if len(body) > MAX_FORM:
                return self._html("problem.html", {"message": wording.FORM_TOO_LARGE}, 413)
            said = dict(parse_qsl(body.decode(errors="replace"), keep_blank_values=True))
            return await run_in_threadpool(obey, request, said)

        return handle

    async def style(self, _: Request) -> Response:
        return Response(self._style, media_type="text/css", headers={"Cache-Control": "max-age=60"})

    def index(self, _: Request) -> tuple[str, Document]:
        found = [(serializers.full_name(repo), self._rows(repo)) for repo in self._hub.repositories()]
        return "index.html", {"repositories": found, "organisation": ORGANISATION}

    def create_repository(self, _: Request, form_fields: dict[str, str]) -> str:
        """An empty repository; its page says how to push the first commit."""
        repo = self._hub.create(f"{ORGANISATION}/{form_fields.get('name', '').strip()}", {})
        return f"/{serializers.full_name(repo)}"

    def fork(self, request: Request, form_fields: dict[str, str]) -> str:
        source = self._repo(request)
        owner = form_fields.get("owner", "")
        if owner not in FORK_OWNERS:
            raise invalid("Repository", "owner", wording.choose_one_of(FORK_OWNERS))
        made = self._hub.create(f"{owner}/{source['name']}", {}, fork_of=source["id"])
        return f"/{serializers.full_name(made)}"

    def repository(self, request: Request) -> tuple[str, Document]:
        repo = self._repo(request)
        git = self._hub.path(repo)
        sha = git_repositories.resolve(git, repo["default_branch"])
        paths = _paths(git, sha) if sha else []
        path = request.query_params.get("file") or _default_path(paths)
        text = _text(git, sha, path) if sha and path in paths else ""
        named: Document = {
            "name": serializers.full_name(repo),
            "clone_url": self._clone_url(request, repo),
            "repo": repo,
        }
        named |= {
            "parent": self._parent(repo),
            "fork_owners": FORK_OWNERS,
            "branches": self._branches(repo),
            "empty": sha is None,
        }
        return "repository.html", {**named, "found": self._rows(repo), "paths": paths, "path": path, "text": text}

    def _clone_url(self, request: Request, repo: Document) -> str:
        """At the host name by which this person reached the page."""
        return f"{request.url.scheme}://{request.headers.get('host', '')}/{serializers.full_name(repo)}.git"

    def _parent(self, repo: Document) -> str:
        return serializers.full_name(self._hub.repository_by_id(repo["fork_of"])) if repo["fork_of"] else ""

    def _branches(self, repo: Document) -> list[str]:
        """Pushed branches without an open pull request."""
        prefix, open_heads = "refs/heads/", {doc["head_ref"] for doc in pull_requests.listing(self._hub, repo)}
        found = [
            ref.removeprefix(prefix) for ref in git_repositories.refs(self._hub.path(repo)) if ref.startswith(prefix)
        ]
        return sorted({*found} - open_heads - {repo["default_branch"]})

    def pull(self, request: Request) -> tuple[str, Document]:
        repo = self._repo(request)
        doc = pull_requests.get(self._hub, repo, request.path_params["number"])
        git, sha = self._hub.path(repo), doc["head_sha"]
        paths = _paths(git, sha)
        path = request.query_params.get("file") or _default_path(paths)
        known = [item["name"] for item in self._hub.store.find("label", repo["id"])]
        values = {
            "name": serializers.full_name(repo),
            "pull": doc,
            "paths": paths,
            "path": path,
            "checks": self._checks(repo, sha),
        }
        values |= {
            "text": _text(git, sha, path) if path in paths else "",
            "comments": self._comments(repo, doc),
            "deployments": self._deployments(repo, doc),
        }
        values |= {"labels": serializers.labels(self._hub, repo, doc["labels"])}
        values |= {"spare": [name for name in dict.fromkeys([*SUGGESTED_LABELS, *known]) if name not in doc["labels"]]}
        return "pull.html", {
            **values,
            "watch": "watch" in request.query_params,
            "commit": git_repositories.commit(git, sha),
        }

    def open_pull(self, request: Request, form_fields: dict[str, str]) -> str:
        """A pull request for a pushed branch, or for a change to one file on a new branch. A fork's is opened at its
        parent, by the fork's owner."""
        repo = self._repo(request)
        title, branch = form_fields.get("title", "").strip(), form_fields.get("branch", "").strip()
        if not title or not branch:
            raise invalid("PullRequest", "title", wording.TITLE_AND_BRANCH)
        if form_fields.get("path"):
            scripting.commit_files(self._hub, repo, branch, {form_fields["path"]: _form_content(form_fields)}, title)
        base, author = (
            (self._hub.repository_by_id(repo["fork_of"]), repo["owner"]) if repo["fork_of"] else (repo, VISITOR)
        )
        head = f"{repo['owner']}:{branch}" if repo["fork_of"] else branch
        doc = pull_requests.open_pull(self._hub, base, author, title, head, base["default_branch"])
        if form_fields.get("label"):
            pull_requests.label(self._hub, base, doc, [form_fields["label"]])
        return f"/{serializers.full_name(base)}/pull/{doc['number']}"

    def pull_action(self, request: Request, form_fields: dict[str, str]) -> str:
        repo = self._repo(request)
        doc = pull_requests.get(self._hub, repo, request.path_params["number"])
        here = f"/{serializers.full_name(repo)}/pull/{doc['number']}"
        match request.path_params["act"]:
            case "label":
                pull_requests.label(self._hub, repo, doc, [*doc["labels"], form_fields.get("label", "")])
            case "unlabel":
                pull_requests.label(
                    self._hub, repo, doc, [name for name in doc["labels"] if name != form_fields.get("label")]
                )
            case "close" | "reopen" as verb:
                pull_requests.edit(self._hub, repo, doc, {"state": "closed" if verb == "close" else "open"})
            case "merge":
                pull_requests.merge(self._hub, repo, doc, VISITOR)
            case "comment":
                commit_reports.comment(self._hub, repo, doc, VISITOR, form_fields.get("body", ""))
            case "push":
                here += f"?file={quote(self._push(doc, form_fields))}"
            case _:
                raise not_found()
        return here

    def _push(self, doc: Document, form_fields: dict[str, str]) -> str:
        path = form_fields.get("path", "").strip()
        source = self._hub.repository_by_id(doc["head_repo"])
        message = form_fields.get("message", "").strip() or f"Change {path}"
        scripting.commit_files(self._hub, source, doc["head_ref"], {path: _form_content(form_fields)}, message)
        return path

    def _rows(self, repo: Document) -> list[Document]:
        found = pull_requests.listing(self._hub, repo, "all")
        return [
            {
                **doc,
                "shapes": serializers.labels(self._hub, repo, doc["labels"]),
                "checks": self._checks(repo, doc["head_sha"]),
            }
            for doc in found
        ]

    def _checks(self, repo: Document, sha: str) -> list[Document]:
        runs = [
            {"name": run["name"], "state": run["conclusion"] or run["status"], "url": _web_url(run["details_url"]),
             "text": run["output"].get("title") or ""}
            for run in commit_reports.check_runs(self._hub, repo, sha)
        ]  # fmt: skip
        statuses = [
            {
                "name": item["context"],
                "state": item["state"],
                "url": _web_url(item["target_url"]),
                "text": item["description"],
            }
            for item in commit_reports.latest_statuses(self._hub, repo, sha)
        ]
        return [*runs, *statuses]

    def _comments(self, repo: Document, pull: Document) -> list[Document]:
        shown = []
        for doc in commit_reports.comments(self._hub, repo, pull):
            given = [(REACTION_EMOJI.get(item["content"], item["content"]), item["user"])
                     for item in commit_reports.reactions(self._hub, repo, doc)]  # fmt: skip
            shown.append({**doc, "reactions": given})
        return shown

    def _deployments(self, repo: Document, pull: Document) -> list[Document]:
        """Deployments to each environment of this commit, newest first, including those of other commits."""
        found = commit_reports.deployments(self._hub, repo)
        here = {item["environment"] for item in found if item["sha"] == pull["head_sha"]}
        shown = []
        for item in [item for item in found if item["environment"] in here]:
            says = commit_reports.deployment_statuses(self._hub, repo, item)
            said = says[0] if says else {"state": "pending", "environment_url": "", "description": ""}
            url, state, text = _web_url(said["environment_url"]), said["state"], said["description"]
            shown.append({**item, "state": state, "url": url, "text": text})
        return shown

    def _repo(self, request: Request) -> Document:
        return self._hub.repository(request.path_params["owner"], request.path_params["name"])

    def _same_origin(self, request: Request) -> bool:
        own = urlsplit(self._hub.base_url)
        hosts = {own.netloc, f"localhost:{own.port}", f"127.0.0.1:{own.port}"}
        host = request.headers.get("host", "")
        site = request.headers.get("sec-fetch-site", "same-origin")
        return host in hosts and site == "same-origin" and request.headers.get("origin") == f"{own.scheme}://{host}"

    def _html(self, template: str, values: dict[str, Any], status: int = 200) -> Response:
        text = self._templates.get_template(template).render(values)
        headers = {
            "Content-Security-Policy": POLICY,
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "same-origin",
        }
        return HTMLResponse(text, status, headers)


def _check_class(state: str) -> str:
    return CHECK_CLASSES.get(state, "waiting" if state in WAITING_STATES else "neutral")


def _label_class(colour: str) -> str:
    """A label style, selected by the label's colour."""
    return f"label c{sum(colour.encode()) % 6}"


def _web_url(url: str) -> str:
    return url if url.startswith(("http://", "https://")) else ""


def _paths(git: Any, sha: str) -> list[str]:
    return git_repositories.text(git, "ls-tree", "-r", "--name-only", "--full-tree", sha).splitlines()[:500]


def _default_path(paths: list[str]) -> str:
    """The file that people most likely want to change first."""
    for wanted in ("message.txt", "index.html", "app.py", "README.md", "eph.yaml"):
        if wanted in paths:
            return wanted
    return paths[0] if paths else ""


def _text(git: Any, sha: str, path: str) -> str:
    found = git_repositories.entries(git, sha, git_repositories.check_path(path))
    if not found or found[0].type != "blob" or (found[0].size or 0) > MAX_TEXT:
        return ""
    return git_repositories.blob(git, found[0].sha).decode(errors="replace")


def _form_content(form_fields: dict[str, str]) -> bytes:
    """A browser sends CRLF; a file wants LF and one at its end."""
    text = form_fields.get("content", "").replace("\r\n", "\n")
    return (text if text.endswith("\n") or not text else f"{text}\n").encode()
