"""Clone and push over HTTP with git's smart protocol: ``git clone http://127.0.0.1:PORT/acme/shop.git``.

Anyone may read a public repository. A push needs the token of a person with write access, as the password, because a
preview's code runs on the same machine and must not push.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import tempfile
import zlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import IO

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from orchestrator.demo.github import wording
from orchestrator.demo.github.state.git_repositories import GIT_ENVIRONMENT
from orchestrator.demo.github.state.hub import PERMISSION_LEVELS, GitHubApiError, Hub, RepositoryMoved

READ, WRITE = "git-upload-pack", "git-receive-pack"
MAX_REQUEST = 1_000_000_000
IN_MEMORY = 1_000_000
CHUNK = 65_536
NO_CACHE = {"Cache-Control": "no-cache"}


class _Refused(Exception):
    """The request gets this response instead."""

    def __init__(self, response: Response) -> None:
        super().__init__(response.status_code)
        self.response = response


def routes(hub: Hub) -> list[Route]:
    endpoints = GitEndpoints(hub)
    return [
        Route("/{owner}/{name}.git/info/refs", endpoints.advertise, methods=["GET"]),
        Route("/{owner}/{name}.git/{service}", endpoints.exchange, methods=["POST"]),
    ]


class GitEndpoints:
    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    async def advertise(self, request: Request) -> Response:
        """The first request of a clone, fetch or push: which refs there are."""
        service = request.query_params.get("service", "")
        try:
            repository = await run_in_threadpool(self._open, request, service)
        except _Refused as refused:
            return refused.response
        banner = f"# service={service}\n"
        head = f"{len(banner) + 4:04x}{banner}0000".encode()
        return _stream(
            service, "advertisement", _run_git(request, repository, service, ["--advertise-refs"], None, head)
        )

    async def exchange(self, request: Request) -> Response:
        """The second: the objects, in either direction."""
        service = request.path_params["service"]
        try:
            repository = await run_in_threadpool(self._open, request, service)
            body = await _read_body(request)
        except _Refused as refused:
            return refused.response
        except ClientDisconnect:
            return PlainTextResponse(wording.CONNECTION_CLOSED, 400)
        return _stream(service, "result", _run_git(request, repository, service, [], body))

    def _open(self, request: Request, service: str) -> Path:
        """The bare repository, if this person may use the service."""
        if service not in (READ, WRITE):
            raise _Refused(PlainTextResponse(wording.USE_SMART_HTTP, 403))
        login = self._hub.login_for_token(_password(request)) or ""
        needed = "write" if service == WRITE else "read"
        with self._hub.lock, self._hub.store.transaction():
            try:
                repo = self._hub.repository(request.path_params["owner"], request.path_params["name"])
            except RepositoryMoved as moved:
                repo = self._hub.repository_by_id(moved.repository)
            except GitHubApiError as problem:
                raise _Refused(PlainTextResponse(wording.NO_REPOSITORY, problem.status)) from None
            has = PERMISSION_LEVELS[self._hub.permission(repo, login)] if login else 0
        if has < PERMISSION_LEVELS[needed] and (needed == "write" or repo["private"]):
            raise _Refused(_denied(login))
        return self._hub.path(repo)


def _denied(login: str) -> Response:
    if login:
        return PlainTextResponse(wording.no_access(login), 403)
    challenge = {"WWW-Authenticate": f'Basic realm="{wording.SIGN_IN}"'}
    return PlainTextResponse(wording.TOKEN_REQUIRED, 401, challenge)


def _password(request: Request) -> str:
    scheme, _, encoded = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return ""
    try:
        return base64.b64decode(encoded).decode().partition(":")[2]
    except (binascii.Error, ValueError):
        return ""


async def _read_body(request: Request) -> IO[bytes]:
    """The body in a file."""
    body = tempfile.SpooledTemporaryFile(IN_MEMORY)  # noqa: SIM115 - closed by whoever reads it
    try:
        await _copy_body(request, body)
    except BaseException:
        body.close()
        raise
    body.seek(0)
    return body


async def _copy_body(request: Request, body: IO[bytes]) -> None:
    """Unpacked: git compresses long requests."""
    compressed = request.headers.get("content-encoding", "") in ("gzip", "x-gzip")
    unpack = zlib.decompressobj(zlib.MAX_WBITS | 16) if compressed else None
    size = 0
    async for chunk in request.stream():
        try:
            data = unpack.decompress(chunk, MAX_REQUEST) if unpack else chunk
        except zlib.error:
            raise _Refused(PlainTextResponse(wording.INVALID_GZIP, 400)) from None
        size += len(data)
        if size > MAX_REQUEST:
            raise _Refused(PlainTextResponse(wording.REQUEST_TOO_LARGE, 413))
        await run_in_threadpool(body.write, data)


async def _run_git(
    request: Request, repository: Path, service: str, options: list[str], body: IO[bytes] | None, head: bytes = b""
) -> AsyncIterator[bytes]:
    """What git answers. A client that goes away ends git as well."""
    if head:
        yield head
    protocol = request.headers.get("git-protocol", "")
    environment = {**GIT_ENVIRONMENT, "GIT_PROTOCOL": protocol if protocol.isascii() and "\0" not in protocol else ""}
    command = ["git", "-c", "receive.hideRefs=refs/pull", service.removeprefix("git-"), "--stateless-rpc", *options]
    process = await asyncio.create_subprocess_exec(
        *command,
        str(repository),
        stdin=body.fileno() if body else asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env=environment,
    )
    try:
        while process.stdout is not None and (chunk := await process.stdout.read(CHUNK)):
            yield chunk
        await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        if body:
            body.close()


def _stream(service: str, kind: str, parts: AsyncIterator[bytes]) -> Response:
    return StreamingResponse(parts, media_type=f"application/x-{service}-{kind}", headers=NO_CACHE)
