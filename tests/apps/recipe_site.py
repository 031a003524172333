"""A whole Eph whose repository is one of the applications in this folder, with the eph.yaml of its recipe."""

from __future__ import annotations

import contextlib
import ipaddress
import json
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from orchestrator.cli import scaffold
from tests import how_to_pages
from tests.e2e import site as sites
from tests.e2e.previews import Page, Preview
from tests.e2e.site import Site, wait_until

APPS = Path(__file__).parent
MOST_LINES = 15
BUILD_TIMEOUT = 600.0
COFFEE = "INSERT INTO orders (item) VALUES ('coffee') ON CONFLICT DO NOTHING;\n"
"""Another line of the Go application's schema."""
_RECIPE = re.compile(r"^## (?P<name>[^\n]+)\n(?:(?!^## ).)*?^```yaml\n(?P<file>.*?)^```$", re.MULTILINE | re.DOTALL)


def recipes() -> dict[str, str]:
    """The eph.yaml of each recipe, by its heading."""
    text = (how_to_pages.HOW_TO / "recipes.md").read_text()
    return {match["name"]: match["file"] for match in _RECIPE.finditer(text)}


def app_files(folder: str, recipe: str) -> dict[str, str]:
    root = APPS / folder
    files = {str(path.relative_to(root)): path.read_text() for path in sorted(root.rglob("*")) if path.is_file()}
    return {**files, "eph.yaml": recipes()[recipe]}


def django_migration(sql: str) -> str:
    """The second migration of the Django application."""
    return (
        "from django.db import migrations\n\n\nclass Migration(migrations.Migration):\n"
        f'    dependencies = [("posts", "0001_initial")]\n    operations = [migrations.RunSQL("{sql}")]\n'
    )


def private_indexes() -> list[str]:
    """The networks of this machine's package indexes that have private addresses; previews may reach only public ones
    unless an operator allows more."""
    found = set()
    for command in (
        [sys.executable, "-c", "from pip._internal.models.index import PyPI; print(PyPI.url)"],
        ["npm", "config", "get", "registry"],
        ["go", "env", "GOPROXY"],
    ):
        if shutil.which(command[0]):
            printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
            host = urlsplit(printed.split(",")[0]).hostname
            if host:
                found |= {str(info[4][0]) for info in socket.getaddrinfo(host, 443, family=socket.AF_INET)}
    return sorted(f"{address}/32" for address in found if not ipaddress.ip_address(address).is_global)


@contextlib.contextmanager
def recipe_site(folder: str, recipe: str, local: str = "", files: Mapping[str, str] | None = None) -> Iterator[Site]:
    """``local``: settings of the target for how it reaches package indexes, by default the machine's. ``files``: more
    files of the repository."""
    with sites.running_site(
        local=local or machine_indexes(), files={**app_files(folder, recipe), **(files or {})}
    ) as site:
        yield site


def machine_indexes() -> str:
    """The setting of a target with which builds reach this machine's package indexes."""
    return f"egress_allow = {json.dumps(private_indexes())}\n"


def preview(site: Site, branch: str = "feature", files: Mapping[str, str] | None = None) -> Preview:
    """A new pull request whose page shows its commit."""
    number, sha = site.open_pull(branch, files and dict(files))
    return site.wait_for_preview(branch, number, sha, BUILD_TIMEOUT)


def ready(site: Site, branch: str = "feature", files: Mapping[str, str] | None = None) -> Preview:
    """The same for an app whose page doesn't show its commit."""
    number, sha = site.open_pull(branch, files and dict(files))
    return wait_until_ready(site, branch, number, sha)


def push(site: Site, made: Preview, files: Mapping[str, str]) -> None:
    """Returns when the commit is live."""
    wait_until_ready(site, made.branch, made.number, site.push(made, dict(files)))


def wait_until_ready(site: Site, branch: str, number: int, sha: str) -> Preview:
    """Asks Eph: in a long build, the forge would reject so many requests."""

    def problem() -> str:
        found = _environment(site, number)
        return "" if (found.get("phase"), found.get("commit")) == ("ready", sha) else f"{found}; {site.log_tail()}"

    wait_until(f"#{number} is ready", problem, BUILD_TIMEOUT)
    site.wait_for_comment(number, "Ready", sha[:7])
    return Preview(number, branch, _environment(site, number)["host"], sha)


def wait_for_failure(site: Site, made: Preview, sha: str, cause: str) -> None:
    """Until the pull request shows why this commit failed."""

    def problem() -> str:
        failure = _environment(site, made.number).get("failure") or {}
        return "" if failure.get("commit") == sha else f"{failure}; {site.log_tail()}"

    wait_until(f"#{made.number} has failed", problem, BUILD_TIMEOUT)
    site.wait_for_comment(made.number, cause)


def _environment(site: Site, number: int) -> dict[str, Any]:
    return next((dict(item) for item in site.api("environments")["items"] if item["number"] == number), {})


def close(site: Site, made: Preview) -> None:
    site.forge.close_pull("acme/shop", made.number)
    site.wait_until_gone(made)


def state(site: Site, made: Preview, path: str = "/") -> dict[str, Any]:
    page: Page = site.page(made.host, path)
    assert page.status == 200, page
    return dict(json.loads(page.text))


def step_states(site: Site, made: Preview, *names: str) -> list[str | None]:
    """How each step of the newest build ended; None if there was none."""
    ended = {item["step"]: item["state"] for item in site.api(f"environments/{made.name}/steps")["steps"]}
    return [ended.get(name) for name in names]


def written_by_init(folder: str) -> dict[str, str]:
    """The eph.yaml that ``eph init`` writes for an application."""
    return {"eph.yaml": scaffold.render_eph_yaml("app", scaffold.detect(APPS / folder))}
