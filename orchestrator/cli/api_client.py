"""The API client for the commands. Every error is raised as a ``CliError``."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import httpx

from orchestrator.cli import credentials, discovery, wording
from orchestrator.cli.cli_errors import CliError, ExitCode, exit_code_for
from orchestrator.surfaces.api.schemas import EnvironmentItem, EnvironmentPage, Error

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
START_HINT = wording.server.START_HINT


class ApiClient:
    def __init__(self, url: str, token: str, timeout: float = 30.0) -> None:
        self.url = url.rstrip("/")
        self.token = token
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise CliError(wording.server.invalid_url(url), wording.server.URL_EXAMPLE, ExitCode.USAGE)
        self.is_local = local = parts.hostname in LOOPBACK
        if token and parts.scheme == "http" and not local:
            sys.stderr.write(wording.server.token_without_tls(parts.hostname))
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        # A proxy from the environment is for external hosts, not for this machine.
        self._http = httpx.Client(base_url=self.url, headers=headers, timeout=timeout, trust_env=not local)

    def __enter__(self) -> ApiClient:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def get(self, path: str, **params: Any) -> Any:
        return self._call("GET", path, params, None)

    def post(self, path: str, body: Any = None, **params: Any) -> Any:
        return self._call("POST", path, params, body)

    def delete(self, path: str) -> Any:
        return self._call("DELETE", path, {}, None)

    def environments(self, **params: Any) -> list[EnvironmentItem]:
        """All environments, page by page."""
        found: list[EnvironmentItem] = []
        cursor = None
        while True:
            page = EnvironmentPage.model_validate(
                self.get("environments", **_without_none({**params, "cursor": cursor}))
            )
            found += page.items
            cursor = page.next
            if not cursor:
                return found

    def stream(self, path: str, **params: Any) -> Iterator[tuple[str, Any]]:
        """Server-sent events as (event, data). The server sends a keep-alive every 15 seconds."""
        try:
            with self._http.stream("GET", f"/api/v1/{path}", params=_without_none(params), timeout=60.0) as answer:
                if answer.is_error:
                    answer.read()
                    raise _api_error(answer)
                yield from _parse_events(answer.iter_lines())
        except httpx.HTTPError as error:
            raise self._unreachable(error) from error

    def _call(self, method: str, path: str, params: dict[str, Any], body: Any) -> Any:
        try:
            answer = self._http.request(method, f"/api/v1/{path}", params=_without_none(params), json=body)
        except httpx.HTTPError as error:
            raise self._unreachable(error) from error
        if answer.is_error:
            raise _api_error(answer)
        try:
            return answer.json()
        except ValueError as error:
            raise CliError(
                wording.server.not_an_eph_server(self.url), "Check EPH_URL.", ExitCode.UNREACHABLE
            ) from error

    def _unreachable(self, error: httpx.HTTPError) -> CliError:
        why = str(error) or type(error).__name__
        return CliError(
            wording.server.no_response(self.url, why),
            wording.server.is_it_running(START_HINT),
            ExitCode.UNREACHABLE,
        )


def connect(timeout: float = 30.0) -> ApiClient:
    """The server in EPH_URL, or else the one that runs on this machine, or else that of the latest sign-in."""
    url, token = os.environ.get("EPH_URL", ""), os.environ.get("EPH_TOKEN", "")
    if url:
        return ApiClient(url, token or credentials.token_for(url), timeout)
    server = discovery.read()
    if server is not None:
        return ApiClient(server.url, token or _read_token(server.token_file), timeout)
    url = credentials.last_url()
    if not url:
        raise CliError(wording.server.NO_SERVER, START_HINT, ExitCode.UNREACHABLE)
    return ApiClient(url, token or credentials.token_for(url), timeout)


def path_segment(name: str) -> str:
    """Quotes a name for use in a path: ``owner/repo#42`` has both a slash and a hash."""
    return quote(name, safe="")


def _read_token(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError as error:
        raise CliError(
            wording.server.token_unreadable(path, error.strerror),
            wording.server.RUN_AS_OWNER,
            ExitCode.UNAUTHORISED,
        ) from error


def _api_error(answer: httpx.Response) -> CliError:
    try:
        error = Error.model_validate_json(answer.content).error
    except ValueError:
        return CliError(
            wording.server.responded_with(answer.status_code), "Check EPH_URL.", exit_code_for(answer.status_code)
        )
    return CliError(error.message, error.hint, exit_code_for(answer.status_code))


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
