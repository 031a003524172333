"""Whether a person paused this server: a file in the folder that all replicas share.

A file, because a pause must outlive a kill, apply to the next leader, and hold while the ledger's database is down:
docs/decisions/0066-a-pause-is-a-file.md. One that exists but can't be read counts as a pause: starting nothing is safe.
"""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

from orchestrator.core.model.pause import Pause
from orchestrator.runtime import wording
from programs.kit import files


class PauseFile:
    """Without a ``path``, the pause lasts as long as this process."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._pause: Pause | None = None

    def current(self) -> Pause | None:
        """Read from the file each time, because another replica may have written it. Never raises."""
        if self._path is None:
            return self._pause
        try:
            return _parse(self._path.read_text())
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            return Pause("", None, wording.problems.pause_unreadable(self._path, error))

    def set(self, pause: Pause) -> None:
        """Raises OSError, and then nothing has changed."""
        if self._path is not None:
            files.write(self._path, _format(pause), durable=True)
        self._pause = pause

    def clear(self) -> None:
        """Raises OSError, and then nothing has changed."""
        if self._path is not None:
            self._path.unlink(missing_ok=True)
        self._pause = None


def _format(pause: Pause) -> str:
    at = pause.at.isoformat() if pause.at is not None else ""
    return json.dumps({"by": pause.by, "at": at, "reason": pause.reason}) + "\n"


def _parse(text: str) -> Pause:
    found = json.loads(text)
    at = datetime.fromisoformat(found["at"])
    if at.tzinfo is None:
        raise ValueError(wording.problems.TIME_WITHOUT_ZONE)
    return Pause(str(found["by"]), at, str(found["reason"]))
