"""The container engine of the demo: the one that runs on this machine, or one that the demo starts."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator.demo import leftover_wording
from orchestrator.demo.cluster import base_images, oci
from orchestrator.demo.containers import engine_process, wording
from orchestrator.demo.containers.engine_process import EngineUnavailable
from programs import registry
from stacks.toolchain import plugins
from stacks.toolchain.pulumi_cli import Progress

TARGET = "compose"
SHOP = Path(__file__).parent / "shop"
"""Files in addition to those of the shop, or in their place."""
DEFAULT_SOCKET = Path("/var/run/docker.sock")
_UNIX = "unix://"
IMAGES = ("eph-demo/python:3", "eph-demo/postgres:15")
"""Made of this machine's programs, so that the demo needs no internet."""


@dataclass(frozen=True, slots=True)
class DemoEngine:
    """``socket`` None: the demo starts an engine. ``compose`` is the path of Docker Compose."""

    socket: Path | None
    compose: str

    def settings(self, socket: Path) -> dict[str, Any]:
        """The table [compose] of a server that uses this engine."""
        network = {"build_network": "none"} if self.socket is None else {}
        return {"socket": socket, "compose": self.compose, **network}


def discover(env: Mapping[str, str], progress: Progress) -> DemoEngine:
    """Raises ``EngineUnavailable``."""
    host = env.get("DOCKER_HOST", "")
    socket = Path(host.removeprefix(_UNIX)) if host.startswith(_UNIX) else DEFAULT_SOCKET
    found = socket if engine_process.responds(socket) else None
    if found is None and not engine_process.can_start():
        raise EngineUnavailable(wording.NO_ENGINE)
    compose = plugins.ensure(plugins.COMPOSE, progress) / plugins.COMPOSE
    progress(wording.found_engine(found) if found else wording.OWN_ENGINE)
    return DemoEngine(found, str(compose))


@contextlib.contextmanager
def running(engine: DemoEngine, home: Path) -> Iterator[Path]:
    """Yields the socket. The engine has the shop's base images meanwhile."""
    with contextlib.ExitStack() as ends:
        own = engine.socket is None
        socket = ends.enter_context(engine_process.running(home / "engine")) if own else Path(str(engine.socket))
        for name, image in zip(IMAGES, (base_images.python_image(), base_images.postgres_image()), strict=True):
            archive = home / "image.tar"
            oci.write_docker_archive(image, name, archive)
            engine_process.load_image(socket, archive)
            archive.unlink()
            ends.callback(engine_process.remove_image, socket, name)
        yield socket


def remove_environments(settings: Mapping[str, str]) -> None:
    target = registry.get(TARGET)
    for name in sorted(target.list_environments(settings)):
        target.purge(name, settings)


def find_leftovers(names: Iterable[str], settings: Mapping[str, str]) -> list[str]:
    """What remains of these environments: by label, and by name among everything that the engine has."""
    listed = engine_process.list_everything(Path(settings["socket"]))
    lines = registry.get(TARGET).list_remaining(settings)
    return lines + [leftover_wording.by_name(item) for item in listed if any(name in item for name in names)]


def shop_files() -> dict[str, str]:
    return {str(path.relative_to(SHOP)): path.read_text() for path in sorted(SHOP.rglob("*")) if path.is_file()}
