"""What every request of a program passes: faults ordered by a test, who it is, quota, the answer, its ETag.

An endpoint is a plain function of a ``Call``; it runs in a thread, one at a time, inside one transaction.
"""

from __future__ import annotations

import base64
import binascii
import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlencode

import anyio
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from orchestrator.demo.github.quota import Fault, Faults, Quota
from orchestrator.demo.github.state import github_apps, serializers
from orchestrator.demo.github.state.document_store import Document
from orchestrator.demo.github.state.git_repositories import GitError
from orchestrator.demo.github.state.github_apps import ApiCaller
from orchestrator.demo.github.state.hub import GitHubApiError, Hub, RepositoryMoved

log = logging.getLogger(__name__)

MAX_BODY = 4_000_000
DOCS = "https://docs.github.com/rest"


@dataclass(frozen=True, slots=True)
class Call:
    hub: Hub
    caller: ApiCaller
    path: str
    params: dict[str, Any]
    query: dict[str, str]
    body: Any = None

    @property
    def login(self) -> str:
        return self.caller.login

    def repo(self, permission: str = "read") -> Document:
        """The repository that the path names, if this caller may do ``permission`` to it."""
        if "repository" in self.params:
            found = self.hub.repository_by_id(int(self.params["repository"]))
        else:
            found = self.hub.repository(self.params["owner"], self.params["name"])
        if permission != "read":
            self.require_login()
        self.hub.require_permission(found, self.login, permission)
        return found

    def require_login(self) -> str:
        if not self.login:
            raise GitHubApiError(401, "Requires authentication")
        return self.login

    def json_object(self) -> Document:
        if not isinstance(self.body, dict):
            raise GitHubApiError(400, "Body should be a JSON object")
        return self.body


@dataclass(frozen=True, slots=True)
class ApiResponse:
    data: Any = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    cost: int = 1


Endpoint = Callable[[Call], ApiResponse]


def paged(call: Call, items: Sequence[Any], wrap: str = "") -> ApiResponse:
    """One page of them, and where the others are. ``wrap``: the name of the list within an object with a total."""
    size = max(1, min(100, _number(call.query.get("per_page"), 30)))
    page = max(1, _number(call.query.get("page"), 1))
    last = max(1, -(-len(items) // size))
    shown = list(items[(page - 1) * size : page * size])
    pages = {"prev": page - 1, "first": 1} if page > 1 else {}
    pages |= {"next": page + 1, "last": last} if page < last else {}
    links = []
    for name, number in pages.items():
        query = urlencode({**call.query, "per_page": size, "page": number})
        links.append(f'<{call.hub.base_url}{call.path}?{query}>; rel="{name}"')
    headers = {"Link": ", ".join(links)} if links else {}
    return ApiResponse({"total_count": len(items), wrap: shown} if wrap else shown, headers=headers)


def _number(text: str | None, default: int) -> int:
    return int(text) if text is not None and text.isascii() and text.isdigit() and len(text) < 9 else default


@dataclass(frozen=True, slots=True)
class RequestHandler:
    hub: Hub
    quota: Quota
    faults: Faults

    def route(
        self, path: str, method: str, endpoint: Endpoint, prefixes: Sequence[str] = ("/api/v3", "")
    ) -> list[Route]:
        """The path as github.com has it, and as GitHub Enterprise and so PyGithub with a base URL calls it."""

        async def handle(request: Request) -> Response:
            return await self.process(request, endpoint)

        return [Route(f"{prefix}{path}", handle, methods=[method]) for prefix in prefixes]

    async def process(self, request: Request, endpoint: Endpoint) -> Response:
        fault = self.faults.next_for(request.url.path)
        if fault is not None and fault.hang:
            await anyio.sleep(fault.hang)
        body = await _body(request)
        if fault is not None and fault.status:
            return _response(fault.status, fault.body.encode() or b'{"message": "ordered by a test"}', fault.headers)
        caller, answer = await run_in_threadpool(self._run_endpoint, request, body, endpoint)
        content = b"" if answer.data is None else json.dumps(answer.data).encode()
        headers = dict(answer.headers)
        if request.method == "GET" and answer.status == 200:
            # Of the token too: GitHub's are no good with another one, such as an installation's next.
            salt = (headers.get("Link", "") + request.headers.get("authorization", "")).encode()
            tag = serializers.etag(content + salt)
            headers |= {"ETag": tag, "Cache-Control": "private, max-age=60, s-maxage=60"}
            if request.headers.get("if-none-match") == tag:
                self.quota.refund(caller.quota_key)
                return _response(304, b"", {**headers, **self.quota.headers(caller.quota_key)})
        return _apply_fault(
            _response(answer.status, content, {**self.quota.headers(caller.quota_key), **headers}), fault
        )

    def _run_endpoint(self, request: Request, body: Any, endpoint: Endpoint) -> tuple[ApiCaller, ApiResponse]:
        caller = ApiCaller()
        try:
            caller = self._caller(request)
            self._charge(request, caller)
            call = Call(self.hub, caller, request.url.path, request.path_params, dict(request.query_params), body)
            with self.hub.lock, self.hub.store.transaction():
                answer = endpoint(call)
            self.quota.charge(caller.quota_key, answer.cost - 1)
            return caller, answer
        except RepositoryMoved as moved:
            return caller, self._moved(request, moved)
        except GitHubApiError as refusal:
            return caller, _error_response(refusal)
        except GitError as refusal:
            return caller, _error_response(GitHubApiError(422, str(refusal)))

    def _charge(self, request: Request, caller: ApiCaller) -> None:
        if request.url.path.endswith("/rate_limit"):
            return
        self.quota.count_request()
        if not self.quota.charge(caller.quota_key):
            raise GitHubApiError(403, f"API rate limit exceeded for {caller.login or 'your address'}.")

    def _caller(self, request: Request) -> ApiCaller:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if not scheme:
            return ApiCaller()
        if scheme.lower() == "basic":
            token = _password(token)
        token = token.strip()
        if token.count(".") == 2:
            return github_apps.caller_for_jwt(self.hub, token)
        login = self.hub.login_for_token(token)
        found = ApiCaller(login, login) if login is not None else github_apps.caller_for_token(self.hub, token)
        if found is None:
            raise GitHubApiError(401, "Bad credentials")
        # GraphQL has a quota of its own, in points.
        return (
            replace(found, quota_key=f"{found.quota_key} graphql") if request.url.path.endswith("/graphql") else found
        )

    def _moved(self, request: Request, moved: RepositoryMoved) -> ApiResponse:
        rest = request.url.path.split("/repos/", 1)[1].split("/", 2)[2:]
        where = "/".join([f"{self.hub.base_url}/api/v3/repositories/{moved.repository}", *rest])
        query = f"?{request.url.query}" if request.url.query else ""
        return ApiResponse({"message": "Moved Permanently", "url": where + query}, 301, {"Location": where + query})


def _password(token: str) -> str:
    try:
        return base64.b64decode(token, validate=True).decode().partition(":")[2]
    except (binascii.Error, UnicodeDecodeError):
        return ""


async def _body(request: Request) -> Any:
    """None when there is none; text when it is not JSON, so that the endpoint can say so."""
    data = b""
    async for chunk in request.stream():
        data += chunk
        if len(data) > MAX_BODY:
            return "too large"
    if not data:
        return None
    try:
        return json.loads(data)
    except ValueError:
        return "not JSON"


def _error_response(refusal: GitHubApiError) -> ApiResponse:
    data = {"message": refusal.message, "documentation_url": DOCS, "status": str(refusal.status)}
    return ApiResponse({**data, **({"errors": refusal.errors} if refusal.errors else {})}, refusal.status)


def _response(status: int, content: bytes, headers: dict[str, str]) -> Response:
    return Response(content, status, headers, media_type="application/json; charset=utf-8")


def _apply_fault(response: Response, fault: Fault | None) -> Response:
    """An answer that ends in the middle, as a broken proxy gives it."""
    if fault is None:
        return response
    content = bytes(response.body)[: fault.truncate] if fault.truncate else bytes(response.body)
    kept = {key: value for key, value in response.headers.items() if key.lower() not in ("content-length", "etag")}
    return Response(content, response.status_code, {**kept, **fault.headers})
