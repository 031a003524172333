"""The demo's repository for the target `program`: a Pulumi project whose provider creates sites in the demo's cloud."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from orchestrator.demo import leftover_wording
from orchestrator.demo.cloud.demo_cloud import DemoCloud

TARGET = "program"
FOLDER = Path(__file__).parents[1] / "cloud_shop"
SECRET = "democloud"  # noqa: S105 - the name of a secret
URL_PLACEHOLDER = "https://cloud.example.com"
"""The cloud's URL in eph.yaml, replaced once it is known."""


def files(cloud: DemoCloud) -> dict[str, str]:
    paths = [path for path in sorted(FOLDER.rglob("*")) if path.is_file() and path.suffix != ".pyc"]
    found = {str(path.relative_to(FOLDER)): path.read_text() for path in paths}
    return {**found, "eph.yaml": found["eph.yaml"].replace(URL_PLACEHOLDER, cloud.url)}


def pull_files() -> tuple[tuple[str, str, dict[str, str]], ...]:
    """Branch, title and changed files of each pull request."""
    page = (FOLDER / "page.html").read_text()
    return (
        ("warmer-colour", "A warmer colour", {"page.html": page.replace("#2563eb", "#ea580c")}),
        ("sell-tea", "Sell tea", {"page.html": page.replace("corner", "tea")}),
    )


def settings(cloud: DemoCloud, home: Path, repository: str) -> dict[str, Any]:
    """The server's policy: this repository may use the cloud's token, and projects can connect to the cloud."""
    token = home / "cloud.token"
    token.write_text(cloud.token)
    token.chmod(0o600)
    return {
        "targets": {"allowed": (TARGET,), "default": TARGET},
        "program": {"egress_allow": ("127.0.0.1/32",)},
        "secrets": {SECRET: {"file": str(token), "repositories": (repository,)}},
    }


def leftovers(cloud: DemoCloud) -> list[str]:
    """Counted in the cloud itself."""
    return [leftover_wording.of_cloud(kind, name) for kind, name in sorted(cloud.items)]
