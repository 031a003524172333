"""The certificate authorities of servers whose certificate no public authority issued: EPH_CA_FILE, or the file that
``--ca-file`` stored for a server."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from orchestrator.cli import wording
from orchestrator.cli.cli_errors import CliError, ExitCode
from orchestrator.cli.discovery import config_folder


def path() -> Path:
    return config_folder() / "authorities.json"


def file_for(url: str) -> Path | None:
    """None: those that this machine trusts."""
    found = os.environ.get("EPH_CA_FILE") or _servers().get(url.rstrip("/"))
    return Path(found) if isinstance(found, str) and found else None


def store(url: str, file: Path) -> None:
    """Raises CliError if the file can't be used."""
    from orchestrator.cli import plain_http
    from programs.kit import files

    if not url.startswith("https://"):
        raise CliError(wording.server.ca_without_tls(url), wording.server.USE_HTTPS, ExitCode.USAGE)
    plain_http.tls_context(file)
    files.write(path(), json.dumps({"servers": {**_servers(), url.rstrip("/"): str(file.absolute())}}, indent=2))


def _servers() -> dict[str, Any]:
    try:
        found = json.loads(path().read_text()).get("servers", {})
    except (OSError, ValueError, AttributeError):
        return {}
    return found if isinstance(found, dict) else {}
