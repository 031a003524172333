"""What is written of a new App: its private key, its webhook secret, and the table ``[forge]`` of eph.toml.

Nothing is ever overwritten. That is checked before the App is created, because its key can't be fetched again.
"""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from orchestrator.forges.app_setup import SetupFailed
from orchestrator.forges.github.app_setup import wording
from orchestrator.forges.github.app_setup.conversion import CreatedApp

KEY_FILE, SECRET_FILE, SETTINGS_FILE = "github-app.pem", "github-webhook.secret", "eph.toml"


@dataclass(frozen=True, slots=True)
class AppFiles:
    folder: Path

    @property
    def settings(self) -> Path:
        return self.folder / SETTINGS_FILE

    def check(self) -> None:
        """Raises SetupFailed if a file that would be written exists, or if the settings already have a Git host."""
        for name in (KEY_FILE, SECRET_FILE):
            if (self.folder / name).exists():
                raise SetupFailed(wording.exists(self.folder / name), wording.MOVE_IT)
        if "forge" in self._current():
            raise SetupFailed(wording.has_forge(self.settings), wording.REMOVE_FORGE)
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise SetupFailed(f"{self.folder}: {error.strerror}", wording.CHOOSE_FOLDER) from error
        if not os.access(self.folder, os.W_OK):
            raise SetupFailed(wording.not_writable(self.folder), wording.CHOOSE_FOLDER)

    def write(self, app: CreatedApp, forge: Mapping[str, str | tuple[str, ...]]) -> list[Path]:
        """The written files. The key comes first: without it the App is useless."""
        written = [_create(self.folder / KEY_FILE, app.private_key)]
        table: dict[str, str | tuple[str, ...]] = {"app_id": app.id, "private_key_file": str(written[0])}
        if app.webhook_secret and "webhook_url" in forge:
            written.append(_create(self.folder / SECRET_FILE, app.webhook_secret + "\n"))
            table["webhook_secret_file"] = str(written[-1])
        self._append(_toml({**table, **forge}))
        return [*written, self.settings]

    def _current(self) -> Mapping[str, object]:
        try:
            return tomllib.loads(self.settings.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            raise SetupFailed(f"{self.settings}: {error}", wording.FIX_SETTINGS) from error

    def _append(self, text: str) -> None:
        """A new file is readable by its owner only; the mode of an existing one stays."""
        handle = os.open(self.settings, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        with os.fdopen(handle, "a", encoding="utf-8") as file:
            file.write(("\n" if file.tell() else "") + text)


def _create(path: Path, content: str) -> Path:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(content)
    return path


def _toml(table: Mapping[str, str | tuple[str, ...]]) -> str:
    """JSON's strings and lists of strings are valid in TOML."""
    lines = [f"{name} = {json.dumps(value, ensure_ascii=False)}" for name, value in table.items()]
    return "\n".join(["[forge]", *lines, ""])
