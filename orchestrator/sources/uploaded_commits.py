"""Commits that people uploaded from their working copies, as sources and the service use them."""

from __future__ import annotations

from typing import Protocol


class UploadedCommits(Protocol):
    """``repository`` is a repository's ID. ``programs.kit.git.uploads.UploadStore`` keeps them."""

    def clone_url(self, repository: int, commit: str) -> str:
        """Where to fetch it from; empty if that commit wasn't uploaded."""

    def read_file(self, repository: int, commit: str, path: str, max_bytes: int) -> bytes | None:
        """None if the commit doesn't contain the file. Raises FileTooLarge."""


class _NoUploads:
    def clone_url(self, repository: int, commit: str) -> str:  # noqa: ARG002 - the port's
        return ""

    def read_file(self, repository: int, commit: str, path: str, max_bytes: int) -> None:  # noqa: ARG002 - as above
        return None


NO_UPLOADS = _NoUploads()
