"""The gateway's data, read from a folder that others write: one file per route, and one file for all states.

Files are replaced atomically, so they are never seen half-written. One ``stat`` per request detects whether a route has
changed; so a new route applies to the very next request, without a watcher or a delay. Another one detects whether the
states have changed, which say when a label deploy expires.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from yarl import URL

from orchestrator.config import file_names
from orchestrator.core.views.phases import Phase
from orchestrator.gateway import wording
from orchestrator.gateway.bar import bar_facts
from orchestrator.gateway.bar.bar_facts import BarFacts
from orchestrator.gateway.operation_output import NOTHING, OperationOutput, OutputFile
from orchestrator.gateway.proxy import environment_sockets

FileVersion = tuple[int, int, int]
MAX_ROUTES = 10_000


class PathUpstream(NamedTuple):
    """What answers a path of a host and, unless ``exact``, everything below it."""

    path: str
    exact: bool
    upstream: URL

    def matches(self, path: str) -> bool:
        return path == self.path or (not self.exact and path.startswith(f"{self.path}/"))


@dataclass(frozen=True, slots=True)
class PreviewRoute:
    host: str
    upstream: URL
    environment: str = ""
    service: str = ""
    commit: str = ""
    sign_in: bool = False
    asleep: bool = False
    """The upstream is stopped, and is started on the next request."""
    health: str = ""
    """The path of its health check, which doesn't count as a visit."""
    allow: tuple[str, ...] = ()
    """Only these people can open it; empty: everyone who can sign in."""
    paths: tuple[PathUpstream, ...] = ()
    """The first one that matches decides."""

    def upstream_for(self, path: str) -> URL:
        return next((item.upstream for item in self.paths if item.matches(path)), self.upstream)


@dataclass(frozen=True, slots=True)
class PreviewState:
    """Why a host has no response of its own, for the page that explains it."""

    environment: str
    phase: Phase
    message: str = ""
    pull_url: str = ""
    title: str = ""
    commit: str = ""
    progress: str = ""
    failed_at: float = 0.0
    """When its last attempt failed, in seconds since the epoch."""
    expires_at: float = 0.0
    """From this second on a label deploy isn't served, whatever still runs. 0: no such limit."""
    sign_in: bool | None = None
    """Whether people must sign in to open it. None: that isn't known yet."""
    allow: tuple[str, ...] = ()
    """Only these people can open it; empty: everyone who can sign in."""
    paused: bool = False
    """The server is paused, so nothing wakes it."""
    bar: BarFacts | None = None
    """What the bar on its pages shows; None: there is no bar."""
    output: OperationOutput = NOTHING
    """What the running operation has printed so far, for people who can open the preview."""


class LookupFailed(Exception):
    """It isn't known where the host leads: an error, never the same as an unknown host."""


@dataclass(frozen=True, slots=True)
class KnownStates:
    """The states as last read. ``problem``: why they couldn't be read since; empty if they are current."""

    hosts: Mapping[str, PreviewState]
    problem: str = ""

    def get(self, host: str) -> PreviewState | None:
        """Raises LookupFailed for a host that they don't contain, unless they are current."""
        found = self.hosts.get(host)
        if found is None and self.problem:
            raise LookupFailed(self.problem)
        return found


class RouteDirectory:
    """``host`` must have been normalized by ``hostnames``: it becomes a file name here."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._folder = str(path / file_names.ROUTES) + os.sep
        self._routes: dict[str, tuple[FileVersion, PreviewRoute | None]] = {}
        self._states_file = str(path / file_names.PREVIEW_STATES)
        self._states_version: FileVersion | None = None
        self._states = KnownStates({}, wording.NO_PREVIEWS_YET)
        self._output = OutputFile(path)

    def route(self, host: str) -> PreviewRoute | None:
        """Raises LookupFailed if there is a route that can't be read."""
        name = f"{self._folder}{host}.json"
        seen = _existing_version(name)
        if seen is None:
            self._routes.pop(host, None)
            return None
        known = self._routes.get(host)
        if known is not None and known[0] == seen:
            return known[1]
        route = _route(host, _read(name))
        if route is None and _existing_version(name) is not None:
            raise LookupFailed(wording.ROUTE_UNREADABLE)
        if len(self._routes) >= MAX_ROUTES:
            self._routes.clear()
        self._routes[host] = (seen, route)
        return route

    def state(self, host: str) -> PreviewState | None:
        """Raises LookupFailed for a host that the last readable states don't contain, if they can't be read now."""
        return self.states().get(host)

    def states(self) -> KnownStates:
        """Without any state if ephd has never written them here: then nothing is known of any host."""
        try:
            seen = _existing_version(self._states_file)
        except LookupFailed as error:
            return KnownStates(self._states.hosts, str(error))
        if seen is None:
            problem = wording.PREVIEWS_MISSING if self._states_version else wording.NO_PREVIEWS_YET
            return KnownStates(self._states.hosts, problem)
        if seen != self._states_version:
            found = _states(_read(self._states_file))
            if found is None:
                return KnownStates(self._states.hosts, wording.PREVIEWS_UNREADABLE)
            self._states_version, self._states = seen, KnownStates(found)
        return self._states

    def with_output(self, state: PreviewState) -> PreviewState:
        """For the page of a preview, once it is clear that the client can open it."""
        return replace(state, output=self._output.read(state.environment))


def file_version(name: str) -> FileVersion | None:
    try:
        found = os.stat(name)  # noqa: PTH116 - on each request; a Path would cost more than the call
    except OSError:
        return None
    return (found.st_mtime_ns, found.st_ino, found.st_size)


def _existing_version(name: str) -> FileVersion | None:
    """None only if there is no such file."""
    try:
        found = os.stat(name)  # noqa: PTH116 - on each request; a Path would cost more than the call
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise LookupFailed(error.strerror or wording.ROUTE_UNREADABLE) from error
    return (found.st_mtime_ns, found.st_ino, found.st_size)


def _read(name: str) -> dict[str, Any] | None:
    """None if it isn't a JSON object: that is a bug of ours, which must not take the gateway down."""
    try:
        data = json.loads(Path(name).read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    return data if isinstance(data, dict) else None


def _route(host: str, data: dict[str, Any] | None) -> PreviewRoute | None:
    if data is None:
        return None
    upstream = _upstream(data.get("upstream"))
    if upstream is not None and data.get("isolated") is True:
        upstream = environment_sockets.isolated_url(_text(data, "environment"), upstream.port or 0)
    paths = _paths(data.get("paths") or ())
    if upstream is None or paths is None or data.get("host", host) != host:
        return None
    environment, service, commit = (_text(data, key) for key in ("environment", "service", "commit"))
    asleep, health = data.get("asleep") is True, _text(data, "health")
    sign_in, allow = _requires_sign_in(data), _allow(data)
    return PreviewRoute(host, upstream, environment, service, commit, sign_in, asleep, health, allow, paths)


def _paths(listed: object) -> tuple[PathUpstream, ...] | None:
    """Exact ones first, then longer ones. None if one can't be read."""
    if not isinstance(listed, list | tuple):
        return None
    found: list[PathUpstream] = []
    for item in listed:
        if not isinstance(item, dict) or (upstream := _upstream(item.get("upstream"))) is None:
            return None
        found.append(PathUpstream(_text(item, "path"), item.get("exact") is True, upstream))
    return tuple(sorted(found, key=lambda item: (not item.exact, -len(item.path))))


def _upstream(value: object) -> URL | None:
    try:
        url = URL(str(value))
    except ValueError:
        return None
    return url.origin() if url.scheme in ("http", "https") and url.host else None


def _states(data: dict[str, Any] | None) -> dict[str, PreviewState] | None:
    """None if these aren't states."""
    hosts = data.get("hosts") if data is not None else None
    if not isinstance(hosts, dict):
        return None
    return {host: _state(value) for host, value in hosts.items() if isinstance(value, dict)}


def _state(data: dict[str, Any]) -> PreviewState:
    known = data.get("phase") in set(Phase)
    return PreviewState(
        environment=_text(data, "environment"),
        phase=Phase(data["phase"]) if known else Phase.WAITING,
        message=_text(data, "message"),
        pull_url=_text(data, "pull_url"),
        title=_text(data, "title"),
        commit=_text(data, "commit"),
        progress=_text(data, "progress"),
        failed_at=_seconds(data.get("failed_at")),
        expires_at=_seconds(data.get("expires_at")),
        sign_in=None if data.get("sign_in") is None else _requires_sign_in(data),
        allow=_allow(data),
        paused=data.get("paused") is True,
        bar=bar_facts.parse(_text(data, "environment"), data.get("bar")),
    )


def _seconds(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0


def _requires_sign_in(data: dict[str, Any]) -> bool:
    """Whether sign-in is required; any value other than a plain no means yes."""
    return data.get("sign_in", False) is not False


def _allow(data: dict[str, Any]) -> tuple[str, ...]:
    """A list that isn't one allows nobody."""
    found = data.get("allow") or ()
    return tuple(str(item) for item in found) if isinstance(found, list | tuple) else ("",)


def _text(data: dict[str, Any], key: str) -> str:
    value = data.get(key)
    return "" if value is None else str(value)
