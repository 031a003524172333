"""The API client for the commands. Every error is raised as a ``CliError``."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode, urlsplit

from orchestrator.cli import authorities, contexts, plain_http, wording
from orchestrator.cli.cli_errors import CliError, ExitCode, exit_code_for
from orchestrator.cli.contexts import ServerOrigin
from orchestrator.cli.plain_http import HttpFailure

if TYPE_CHECKING:
    import httpx

    from orchestrator.surfaces.api.schemas.environment_schemas import EnvironmentItem

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
UPLOAD_CHUNK = 1 << 20
UPLOAD_TIMEOUT = 180.0
"""Seconds without any progress; the server checks an upload before it responds."""
START_HINT = wording.server.START_HINT


class ApiClient:
    """``described``: the server and why it was chosen, for errors. Reads use the standard library; everything else
    uses httpx, which takes longer to import than the fast commands run."""

    def __init__(self, url: str, token: str, timeout: float = 30.0, described: str = "") -> None:
        self.url = url.rstrip("/")
        self.token = token
        self._timeout = timeout
        self.described = described or self.url
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise CliError(wording.server.invalid_url(url), wording.server.URL_EXAMPLE, ExitCode.USAGE)
        self.is_local = local = parts.hostname in LOOPBACK
        if token and parts.scheme == "http" and not local:
            sys.stderr.write(wording.server.token_without_tls(parts.hostname))
        self._ca_file = authorities.file_for(self.url) if parts.scheme == "https" else None
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}

    @property
    def host(self) -> str:
        """The server's name in questions and notes."""
        return urlsplit(self.url).netloc

    @cached_property
    def _http(self) -> httpx.Client:
        import httpx

        # A proxy from the environment is for external hosts, not for this machine.
        verify = plain_http.tls_context(self._ca_file) if self.url.startswith("https:") else True
        return httpx.Client(
            base_url=self.url, headers=self._headers, timeout=self._timeout, trust_env=not self.is_local, verify=verify
        )

    def __enter__(self) -> ApiClient:
        return self

    def __exit__(self, *_: object) -> None:
        if "_http" in self.__dict__:
            self._http.close()

    def get(self, path: str, **params: Any) -> Any:
        query = urlencode({name: _query_value(value) for name, value in _without_none(params).items()}, doseq=True)
        url = f"{self.url}/api/v1/{path}{'?' if query else ''}{query}"
        try:
            answer = plain_http.get(
                url, self._headers, self._timeout, trust_env=not self.is_local, ca_file=self._ca_file
            )
        except HttpFailure as error:
            raise self._unreachable(error) from error
        if answer.status >= 300:
            raise self._api_error(answer.status, answer.content)
        return self._parse(answer.content)

    def post(self, path: str, body: Any = None, **params: Any) -> Any:
        return self._call("POST", path, params, json=body)

    def upload(self, path: str, file: Path, **params: Any) -> Any:
        """The body is a file of any size."""
        with file.open("rb") as opened:
            headers = {"Content-Type": "application/octet-stream", "Content-Length": str(file.stat().st_size)}
            chunks = iter(lambda: opened.read(UPLOAD_CHUNK), b"")
            return self._call("POST", path, params, content=chunks, headers=headers, timeout=UPLOAD_TIMEOUT)

    def delete(self, path: str, **params: Any) -> Any:
        return self._call("DELETE", path, params)

    def environments(self, **params: Any) -> list[EnvironmentItem]:
        """All environments."""
        from orchestrator.surfaces.api.schemas.environment_schemas import EnvironmentItem

        return [EnvironmentItem.model_validate(item) for item in self.environment_data(**params)]

    def environment_data(self, **params: Any) -> list[dict[str, Any]]:
        """All environments as the API returns them, page by page."""
        found: list[dict[str, Any]] = []
        cursor = None
        while True:
            page = self.get("environments", **{**params, "cursor": cursor})
            try:
                found += page["items"]
                cursor = page["next"]
            except (KeyError, TypeError) as error:
                raise self.not_an_eph_server() from error
            if not cursor:
                return found

    def stream(self, path: str, body: Any = None, **params: Any) -> Iterator[tuple[str, Any]]:
        """Server-sent events as (event, data). The server sends a keep-alive every 15 seconds. With a body, it is a
        POST."""
        import httpx

        method, query = "GET" if body is None else "POST", _without_none(params)
        try:
            with self._http.stream(method, f"/api/v1/{path}", params=query, json=body, timeout=60.0) as answer:
                if answer.is_error:
                    raise self._api_error(answer.status_code, answer.read())
                yield from _parse_events(answer.iter_lines())
        except httpx.HTTPError as error:
            raise self._unreachable(error) from error

    def post_without_result(self, path: str, body: Any) -> None:
        import httpx

        try:
            answer = self._http.post(f"/api/v1/{path}", json=body)
        except httpx.HTTPError as error:
            raise self._unreachable(error) from error
        if answer.is_error:
            raise self._api_error(answer.status_code, answer.content)

    def not_an_eph_server(self) -> CliError:
        return CliError(wording.server.not_an_eph_server(self.url), wording.server.CHECK_SERVER, ExitCode.UNREACHABLE)

    def _call(self, method: str, path: str, params: dict[str, Any], **request: Any) -> Any:
        """``request``: the body, and what else httpx accepts."""
        import httpx

        try:
            answer = self._http.request(method, f"/api/v1/{path}", params=_without_none(params), **request)
        except httpx.HTTPError as error:
            raise self._unreachable(error) from error
        if answer.is_error:
            raise self._api_error(answer.status_code, answer.content)
        return self._parse(answer.content)

    def _parse(self, content: bytes) -> Any:
        try:
            return json.loads(content)
        except ValueError as error:
            raise self.not_an_eph_server() from error

    def _api_error(self, status: int, content: bytes) -> CliError:
        """Names the server: that it is the wrong one explains many errors."""
        code = exit_code_for(status)
        try:
            error = json.loads(content)["error"]
            message, hint = str(error["message"]), str(error["hint"])
        except (ValueError, TypeError, KeyError):
            message, hint = wording.server.responded_with(status), wording.server.CHECK_SERVER
        return CliError(message, hint, code, self.described, status)

    def _unreachable(self, error: Exception) -> CliError:
        why = str(error) or type(error).__name__
        return CliError(
            wording.server.no_response(self.url, why),
            wording.server.is_it_running(START_HINT),
            ExitCode.UNREACHABLE,
            self.described,
        )


def connect(timeout: float = 30.0, *, quiet: bool = False) -> ApiClient:
    """The server that `contexts` chooses. If that is a demo that nobody asked for, says so unless ``quiet``."""
    chosen = contexts.choose()
    if chosen.origin is ServerOrigin.DEMO and not quiet:
        sys.stderr.write(wording.server.using_demo(chosen.url))
    return ApiClient(chosen.url, chosen.token(), timeout, chosen.described())


def path_segment(name: str) -> str:
    """Quotes a name for use in a path: ``owner/repo#42`` has both a slash and a hash."""
    return quote(name, safe="")


def _parse_events(lines: Iterator[str]) -> Iterator[tuple[str, Any]]:
    event, data = "message", ""
    for line in lines:
        if not line:
            if data:
                yield event, json.loads(data)
            event, data = "message", ""
        elif line.startswith("event:"):
            event = line[6:].strip()
        elif line.startswith("data:"):
            data += line[5:].lstrip()


def _without_none(params: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in params.items() if value is not None and value != []}


def _query_value(value: Any) -> Any:
    return str(value).lower() if isinstance(value, bool) else value
