"""The demo's world: a Git host with a sample shop and three pull requests, and a whole Eph that watches it.

Everything lies in one folder and listens on loopback; the folder goes with the demo.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import socket
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from orchestrator.app.demo import hosts, leftovers
from orchestrator.app.demo.hosts import SANDBOX, Host
from orchestrator.config.settings import Settings
from orchestrator.forge.sandbox.world import Webhook

REPOSITORY = "acme/shop"
SHOP = Path(__file__).parent / "shop"
LABEL = "preview"
CYCLE = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class Ports:
    """``gateway`` is what people type; the others are found by what knows them."""

    gateway: int
    api: int
    forge: int


@dataclass(slots=True)
class World:
    home: Path
    ports: Ports
    forge: Host
    settings: Settings
    pulls: dict[str, int]
    pulumi_environment: dict[str, str] = field(default_factory=dict)
    token_file: Path = Path()
    """Of Eph's API; there once Eph is."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


@contextlib.contextmanager
def opened(port: int | None, forge_name: str = SANDBOX) -> Iterator[World]:
    """The world without Eph yet: a home folder, a Git host with the shop, settings that point at it."""
    home = Path(tempfile.mkdtemp(prefix="eph-demo-"))
    home.chmod(0o755)
    _use_own_temporary_folder(home)
    ports = Ports(port or free_port(), free_port(), free_port())
    secret = home / "webhook.secret"
    secret.write_text(secrets.token_hex(20))
    secret.chmod(0o600)
    hook = Webhook(f"http://127.0.0.1:{ports.api}/api/v1/webhooks/github", secret)
    forge: Host | None = None
    try:
        forge = hosts.made(forge_name, home / "forge", hook)
        forge.start(ports.forge)
        pulls = _populate(forge)
        yield World(home, ports, forge, _settings(home, ports, forge, secret), pulls)
    finally:
        if forge is not None:
            forge.close()
        shutil.rmtree(home, ignore_errors=True)


def _use_own_temporary_folder(home: Path) -> None:
    """For this process and all that it starts."""
    own = leftovers.temporary(home)
    own.mkdir(mode=0o1777)
    os.environ["TMPDIR"] = str(own)
    tempfile.tempdir = str(own)


def _populate(forge: Host) -> dict[str, int]:
    """A shop on main, and three pull requests that each change something one can see."""
    forge.create_repository(REPOSITORY, _with_branches(files(), forge.branches))
    pulls = {}
    for branch, title, changed in (
        ("warmer-colour", "A warmer colour", {"colour.txt": "#ea580c\n"}),
        ("sell-tea", "Sell tea", {"db/rows.sql": (SHOP / "db/rows.sql").read_text().replace("Coffee", "Tea")}),
        ("new-headline", "A new headline", {"page.html": (SHOP / "page.html").read_text().replace("corner", "new")}),
    ):
        forge.push(REPOSITORY, branch, changed, title)
        pulls[branch] = forge.open_pull(REPOSITORY, branch, title)
    return pulls


def _with_branches(shop: dict[str, str], glob: str) -> dict[str, str]:
    """The shop whose eph.yaml asks for environments of branches too."""
    if not glob:
        return shop
    trigger = f'triggers:\n  - type: branch\n    branches: ["{glob}"]\n'
    return {**shop, "eph.yaml": shop["eph.yaml"].replace("triggers:\n", trigger)}


def files() -> dict[str, str]:
    return {str(path.relative_to(SHOP)): path.read_text() for path in sorted(SHOP.rglob("*")) if path.is_file()}


def _settings(home: Path, ports: Ports, forge: Host, secret: Path) -> Settings:
    return Settings(
        home=home / "eph",
        interval=CYCLE,
        listen=f"127.0.0.1:{ports.api}",
        gateway_listen=f"127.0.0.1:{ports.gateway}",
        workers=2,
        forge={
            **forge.access(),
            "webhook_secret_file": secret,
            "repositories": [REPOSITORY],
        },
        local={"toolbox": tuple(toolbox()), "path": search_path()},
    )


_SYSTEM = ("/usr/local/bin", "/usr/bin", "/bin")


def search_path() -> str:
    """Of previews: this interpreter first, so that the shop finds its psycopg."""
    return os.pathsep.join([f"{sys.prefix}/bin", *_SYSTEM])


def toolbox() -> list[str]:
    """This interpreter with its psycopg, for the shop to run on."""
    return sorted({sys.prefix, sys.base_prefix} - {"/usr", "/usr/local"})
