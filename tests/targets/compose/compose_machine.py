"""A real container engine for tests, with the images that they use, and environments on it without Pulumi."""

from __future__ import annotations

import contextlib
import dataclasses
import shutil
import tempfile
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from orchestrator.demo.cluster import base_images, oci
from orchestrator.demo.containers import engine_process
from programs.kit import routes, waiting
from programs.targets.compose import environments, labels, publication
from programs.targets.compose import settings as compose_settings
from programs.targets.compose.engine import engine_client
from programs.targets.compose.engine.engine_client import Data
from programs.targets.compose.settings import ComposeHost
from programs.targets.compose.target import TARGET
from stacks.toolchain import plugins
from tests.targets.local_machine import Repository

NAME = "shop-gentle-stream-42"
PYTHON_IMAGE = "python:3-slim"
WEB = """
import http.server, json, os

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        found = json.dumps(dict(os.environ)) if self.path == "/environ" else open(self.path).read()
        data = found.encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

print("serving", flush=True)
http.server.ThreadingHTTPServer(("0.0.0.0", 8000), Handler).serve_forever()
"""
COMPOSE = f"""
services:
  web:
    image: {PYTHON_IMAGE}
    command: python3 /srv/web.py
    ports: ["8000:8000"]
    volumes: [./srv:/srv:ro]
    stop_grace_period: 1s
"""


def compose_program() -> str:
    """Docker Compose, from the cache or PATH; empty if it isn't installed."""
    folder = plugins.find_optional(plugins.COMPOSE)
    return str(folder / plugins.COMPOSE) if folder else ""


@contextlib.contextmanager
def running_engine() -> Iterator[Path]:
    """Its socket. Skips the test where no engine can run."""
    if not engine_process.can_start() or not compose_program():
        pytest.skip("needs root, docker.io and Docker Compose (make docker-compose)")
    folder = Path(tempfile.mkdtemp(prefix="eph-engine-"))
    try:
        with engine_process.running(folder / "engine") as socket:
            archive = folder / "image.tar"
            oci.write_docker_archive(base_images.python_image(), PYTHON_IMAGE, archive)
            engine_process.load_image(socket, archive)
            archive.unlink()
            yield socket
    finally:
        shutil.rmtree(folder)


@dataclass
class ComposeMachine:
    """``raw_settings`` as the target gets them from the server."""

    raw_settings: Mapping[str, str]
    repository: Repository
    files: dict[str, str] = field(default_factory=lambda: {"compose.yaml": COMPOSE, "srv/web.py": WEB})

    @property
    def host(self) -> ComposeHost:
        return compose_settings.from_mapping(self.raw_settings)

    def push(self, **changed: str) -> str:
        """Changes files and returns the commit. ``compose`` is the compose file."""
        self.files |= {{"compose": "compose.yaml"}.get(path, path): text for path, text in changed.items()}
        return self.repository.push(self.files)

    def wanted(self, commit: str, name: str = NAME, **changes: Any) -> publication.Publication:
        route = publication.PublicRoute("web", 8000, "/srv/web.py", 20, f"{name}.localhost")
        variables = {"EPH_COMMIT": commit, "EPH_ENVIRONMENT": name}
        wanted = publication.Publication(
            name, f"{commit[:12]}-aaaaaa", str(self.repository.bare), commit, (route,), variables=variables
        )
        return dataclasses.replace(wanted, **changes)

    def publish(self, commit: str, name: str = NAME, **changes: Any) -> None:
        environments.publish(self.host, self.wanted(commit, name, **changes))

    def containers(self, name: str = NAME) -> dict[str, Data]:
        """By service, as the engine describes them."""
        with engine_client.connect(self.host) as client:
            found = client.containers(self.host, name)
            return {item["Labels"][labels.SERVICE]: client.container(item["Id"]) for item in found}

    def read(self, path: str, name: str = NAME) -> str:
        """A file of the web container, as the gateway gets it."""
        found = [item for item in routes.list_routes(self.host.routes, "compose") if item.environment == name]
        return fetch(f"{found[0].upstream}{path}")

    def run_in(self, name: str, script: str) -> None:
        """Starts a shell script in the web container and doesn't wait for it."""
        with engine_client.connect(self.host) as client:
            container = self.containers(name)["web"]["Id"]
            body = {"Cmd": ["/bin/sh", "-c", script], "AttachStdout": False}
            path = f"/containers/{container}/exec"
            started = client._request("POST", path, json=body).json()["Id"]
            client._request("POST", f"/exec/{started}/start", json={"Detach": True})


def machine(socket: Path, folder: Path, repository: Repository, **changes: str) -> ComposeMachine:
    settings = {
        "root": str(folder / "root"),
        "routes": str(folder / "routes"),
        "server": f"eph-{folder.name}",
        "url": "http://{host}:8080",
        "socket": str(socket),
        "compose": compose_program(),
        "build_network": "none",
        **changes,
    }
    TARGET.ensure(settings)
    return ComposeMachine(settings, repository)


def fetch(url: str) -> str:
    with urllib.request.urlopen(url, timeout=60) as answer:
        return str(answer.read().decode())


def wait_for(machine: ComposeMachine, path: str) -> None:
    """Until the web container has the file."""

    def exists() -> bool:
        try:
            machine.read(path)
        except OSError:
            return False
        return True

    assert waiting.wait_until(exists, 60)


def everything_on(socket: Path) -> list[str]:
    """All containers, volumes and networks of the engine, whoever they belong to, without the engine's own."""
    with engine_client.EngineClient(socket) as client:
        found = [item["Id"] for item in client._json("GET", "/containers/json", all="true")]
        found += [item["Name"] for item in client._json("GET", "/volumes").get("Volumes") or ()]
        found += [item["Name"] for item in client.all_networks() if item["Name"] not in ("none", "host", "bridge")]
        tags = [tag for item in client._json("GET", "/images/json") for tag in item["RepoTags"] or ()]
    return found + [tag for tag in tags if tag.startswith("eph/")]
