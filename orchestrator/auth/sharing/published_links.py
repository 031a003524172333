"""The file from which the gateway knows the valid share links: ephd writes it, the gateway reads it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from orchestrator.auth.sharing.share_links import ShareLink
from orchestrator.config import file_names
from programs.kit import files


def write(directory: Path, links: Iterable[ShareLink]) -> None:
    entries = {link.id: {"host": link.host, "until": int(link.expires_at.timestamp())} for link in links}
    directory.mkdir(parents=True, exist_ok=True)
    files.write(directory / file_names.SHARE_LINKS, json.dumps({"links": entries}), mode=0o644)


def read(file: Path) -> dict[str, tuple[str, int]]:
    """Host and end of each link by its ID. Empty if the file is unreadable: then no link counts."""
    try:
        links = json.loads(file.read_bytes())["links"]
        return {link_id: (str(link["host"]), int(link["until"])) for link_id, link in links.items()}
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return {}
