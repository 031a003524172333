"""The certificate authorities of servers whose certificate no public authority issued: EPH_CA_FILE, or the file that
``--ca-file`` stored for a server."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from orchestrator.cli import server_files, wording
from orchestrator.cli.cli_errors import CliError, ExitCode


def path() -> Path:
    return server_files.config_folder() / "authorities.json"


def file_for(url: str) -> Path | None:
    """None: those that this machine trusts."""
    found = os.environ.get("EPH_CA_FILE") or _servers().get(server_files.key(url))
    return Path(found) if isinstance(found, str) and found else None


def store(url: str, file: Path) -> None:
    """Raises CliError if the file can't be used."""
    from orchestrator.cli import plain_http

    if not url.startswith("https://"):
        raise CliError(wording.server.ca_without_tls(url), wording.server.USE_HTTPS, ExitCode.USAGE)
    plain_http.tls_context(file)
    server_files.write_by_server(path(), {**_servers(), server_files.key(url): str(file.absolute())})


def _servers() -> dict[str, Any]:
    return server_files.by_server(path())
