"""The Git hosts that the demo can use: our own sandbox, and the npm package emulate."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from orchestrator.demo.emulate import emulate_host
from orchestrator.demo.emulate.emulate_host import EmulateHost
from orchestrator.demo.github.demo_github import DemoGitHub, WebhookConfig

SANDBOX, EMULATE = "sandbox", "emulate"
DISCOVERY_SECONDS = 5.0
"""A new repository gets previews at once."""


class GitHost(Protocol):
    """What people do on a Git host. ``repository`` is ``owner/name``."""

    url: str
    branch_glob: str
    """Branches that get environments; empty for none."""

    def start(self, port: int) -> object: ...
    def close(self) -> None: ...
    def forge_settings(self) -> Mapping[str, Any]:
        """The settings ``[forge]`` by which Eph connects."""

    def create_repository(self, name: str, files: Mapping[str, str]) -> int: ...
    def push(self, repository: str, branch: str, files: Mapping[str, str], message: str = "") -> str: ...
    def open_pull(self, repository: str, branch: str, title: str = "") -> int: ...
    def label(self, repository: str, number: int, *labels: str) -> None: ...
    def unlabel(self, repository: str, number: int, label: str) -> None: ...
    def close_pull(self, repository: str, number: int) -> None: ...
    def pull(self, repository: str, number: int) -> dict[str, Any]: ...
    def comments(self, repository: str, number: int) -> list[dict[str, Any]]: ...
    def checks(self, repository: str, sha: str) -> dict[str, str]:
        """The conclusion (or status) of each check, by name."""


class DemoGitHubHost(DemoGitHub):
    """The sandbox, where Eph authenticates with a token."""

    branch_glob = ""

    def git_dir(self, repository: str) -> Path:
        """The bare repository, for a CI on the same machine."""
        return self.root / "git" / f"{repository}.git"

    def start(self, port: int = 0, process: bool = True) -> str:
        return super().start(port, process)

    def forge_settings(self) -> Mapping[str, Any]:
        token = self.root / "bot.token"
        token.write_text(self.token("eph-bot"))
        token.chmod(0o600)
        return {"kind": "github", "url": self.api_url, "token_file": token, "discovery_seconds": DISCOVERY_SECONDS}

    def remote(self, repository: str) -> str:
        """A URL that the owner can clone from and push to. Contains the owner's token."""
        scheme, _, address = self.url.partition("://")
        return f"{scheme}://{self.owner}:{self.token(self.owner)}@{address}/{repository}.git"


def create_host(name: str, root: Path, webhook: WebhookConfig) -> GitHost:
    """Raises ``EmulateUnavailable`` if emulate can't be installed here."""
    return EmulateHost(root, emulate_host.install(), webhook) if name == EMULATE else DemoGitHubHost(root, webhook)
