"""Files that say what the session guard did to a database, one for each. Writing one needs nothing of the server."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from programs.kit import files
from programs.kit.database import wording
from programs.kit.database.session_usage import SharedResource
from programs.kit.host_settings import HostSettings


@dataclass(frozen=True, slots=True)
class SessionNotice:
    """``at``: in seconds since the epoch."""

    database: str
    resource: SharedResource
    at: float
    suspended: bool

    @property
    def sentence(self) -> str:
        return (wording.suspended if self.suspended else wording.sessions_ended)(self.database, self.resource)


def write(settings: HostSettings, database: str, resource: SharedResource, *, suspended: bool) -> None:
    notice = SessionNotice(database, resource, time.time(), suspended)
    files.write(_file(settings, database), json.dumps(asdict(notice)))


def list_all(settings: HostSettings) -> Iterator[SessionNotice]:
    for path in sorted(_folder(settings).glob("eph_*.json")):
        with contextlib.suppress(OSError, ValueError, TypeError):
            data = json.loads(path.read_text())
            yield SessionNotice(**{**data, "resource": SharedResource(data["resource"])})


def remove(settings: HostSettings, database: str) -> None:
    _file(settings, database).unlink(missing_ok=True)


def _folder(settings: HostSettings) -> Path:
    return settings.root / "session-notices"


def _file(settings: HostSettings, database: str) -> Path:
    return _folder(settings) / f"{database}.json"
