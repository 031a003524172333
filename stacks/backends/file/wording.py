"""What people read about the file backend."""

from __future__ import annotations

from pathlib import Path

PATH_REQUIRED = "a file backend needs an absolute path"
PATH_EXAMPLE = "write file:// and the path, such as file:///srv/eph/stacks"


def folder_unreadable(folder: Path, reason: str | None) -> str:
    return f"the backend's folder {folder} can't be read: {reason}"


def stacks_not_listed(project: str, reason: str | None) -> str:
    return f"the stacks of {project} can't be listed: {reason}"
