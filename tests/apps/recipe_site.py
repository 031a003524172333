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
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from tests import how_to_pages
from tests.e2e import site as sites
from tests.e2e.site import Site

APPS = Path(__file__).parent
MOST_LINES = 15
BUILD_TIMEOUT = 600.0
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
def recipe_site(folder: str, recipe: str, local: str = "") -> Iterator[Site]:
    """``local``: settings of the target for how it reaches package indexes, by default the machine's."""
    allow = f"egress_allow = {json.dumps(private_indexes())}\n"
    with sites.running_site(local=local or allow, files=app_files(folder, recipe)) as site:
        yield site
