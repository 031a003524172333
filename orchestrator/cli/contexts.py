"""Which server ``eph`` talks to.

EPH_URL decides, or else the context that the user chose, the ``ephd`` on this machine, the server of the latest
sign-in, and last a demo on this machine. A demo comes last because someone who tries it must not find their next
command there instead of at their server.

A context is stored as a URL, or as ``ephd`` or ``demo`` for whichever server of that kind is running on this machine.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from orchestrator.cli import credentials, discovery, server_files, wording
from orchestrator.cli.cli_errors import CliError, ExitCode
from orchestrator.cli.discovery import LocalServerKind, RunningServer

LOCAL_NAMES = {"ephd": LocalServerKind.EPHD, "demo": LocalServerKind.DEMO}


class ServerOrigin(StrEnum):
    """What named the server that is used."""

    EPH_URL = "EPH_URL"
    CONTEXT = "context"
    LOCAL = "ephd"
    SIGN_IN = "sign-in"
    DEMO = "demo"


@dataclass(frozen=True, slots=True)
class KnownServer:
    """``name``: what `eph context use` accepts. ``is_local``: its URL is that of whatever runs on this machine."""

    name: str
    url: str
    token_file: Path | None = None
    is_local: bool = False


@dataclass(frozen=True, slots=True)
class ChosenServer:
    server: KnownServer
    origin: ServerOrigin

    @property
    def url(self) -> str:
        return self.server.url

    def token(self) -> str:
        """EPH_TOKEN, or the stored one, or that of a server on this machine; may be empty."""
        stored = os.environ.get("EPH_TOKEN", "") or credentials.token_for(self.url)
        return stored or (_read_token(self.server.token_file) if self.server.token_file else "")

    def described(self) -> str:
        return wording.server.chosen(self.url, self.origin.value)


def choose() -> ChosenServer:
    """The server for this command."""
    found = default()
    if found is None:
        raise CliError(wording.server.NO_SERVER, wording.server.START_HINT, ExitCode.UNREACHABLE)
    return found


def default() -> ChosenServer | None:
    if url := os.environ.get("EPH_URL", ""):
        return ChosenServer(_by_url(url), ServerOrigin.EPH_URL)
    if context := current():
        return ChosenServer(_resolve(context), ServerOrigin.CONTEXT)
    if (local := _on_this_machine("ephd")) is not None:
        return ChosenServer(local, ServerOrigin.LOCAL)
    if url := credentials.last_url():
        return ChosenServer(_by_url(url), ServerOrigin.SIGN_IN)
    if (demo := _on_this_machine("demo")) is not None:
        return ChosenServer(demo, ServerOrigin.DEMO)
    return None


def known() -> list[KnownServer]:
    """All servers that a context can name, in the order of precedence."""
    urls = [*reversed(credentials.urls())]
    chosen = current()
    if chosen and chosen not in LOCAL_NAMES and chosen not in urls:
        urls.insert(0, chosen)
    found = [_on_this_machine("ephd"), *map(_by_url, urls), _on_this_machine("demo")]
    return [server for server in found if server is not None]


def current() -> str:
    """The chosen context as it is stored; empty if there is none."""
    found = server_files.read(path()).get("current")
    return found if isinstance(found, str) else ""


def use(typed: str) -> KnownServer:
    """Makes a server the context: a known one by its name or the start of it, or any by its URL."""
    server = find(typed)
    _write(server.name if server.is_local else server.url)
    return server


def find(typed: str) -> KnownServer:
    """A known server by its name or the start of it, or any by its URL."""
    return _by_url(typed) if typed.startswith(("http://", "https://")) else _by_name(typed)


def clear() -> None:
    _write("")


def path() -> Path:
    return server_files.config_folder() / "context.json"


def _write(context: str) -> None:
    server_files.write(path(), {"current": context})


def _by_name(typed: str) -> KnownServer:
    servers = known()
    found = [each for each in servers if each.name == typed] or [
        each for each in servers if typed and each.name.startswith(typed)
    ]
    if len(found) == 1:
        return found[0]
    names = ", ".join(each.name for each in servers)
    problem = wording.server.ambiguous_context(typed) if found else wording.server.unknown_context(typed)
    raise CliError(problem, wording.server.known_contexts(names), ExitCode.USAGE)


def _resolve(context: str) -> KnownServer:
    if context not in LOCAL_NAMES:
        return _by_url(context)
    found = _on_this_machine(context)
    if found is None:
        raise CliError(wording.server.context_not_running(context), wording.server.CHOOSE_CONTEXT, ExitCode.UNREACHABLE)
    return found


def _by_url(url: str) -> KnownServer:
    """The same address can be that of a server on this machine, whose token is in a file."""
    name = url.partition("://")[2].rstrip("/") or url
    here = (_on_this_machine(local) for local in LOCAL_NAMES)
    token_file = next((each.token_file for each in here if each and each.url == url.rstrip("/")), None)
    return KnownServer(name, url.rstrip("/"), token_file)


def _on_this_machine(name: str) -> KnownServer | None:
    found: RunningServer | None = discovery.read(LOCAL_NAMES[name])
    return KnownServer(name, found.url.rstrip("/"), found.token_file, True) if found else None


def _read_token(file: Path) -> str:
    try:
        return file.read_text().strip()
    except OSError as error:
        raise CliError(
            wording.server.token_unreadable(file, error.strerror), wording.server.RUN_AS_OWNER, ExitCode.UNAUTHORISED
        ) from error
