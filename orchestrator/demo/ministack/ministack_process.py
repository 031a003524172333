"""MiniStack with its own container engine, for the demo and for tests.

Tasks are real containers with their logs, RDS is a real PostgreSQL with TLS, and load balancers route by host name.
MiniStack would also say that things run if it had no engine, so tests ask the engine, too.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from orchestrator.demo import process_start
from orchestrator.demo.cluster import base_images, oci
from orchestrator.demo.cluster.oci import ImageLayer, OciImage
from orchestrator.demo.containers import engine_process
from orchestrator.demo.free_ports import free_port
from orchestrator.demo.ministack import wording
from orchestrator.demo.ministack.errors import MinistackUnavailable

PYTHON_VARIABLE = "EPH_TEST_MINISTACK_PYTHON"
"""Names the interpreter of an installed MiniStack; `infra/toolchain/ministack.sh` prints it."""
REGION = "eu-central-1"
NETWORK, HOLDER = "eph-aws", "eph-aws-holder"
DEMO_NETWORK_RANGE = "10.215.96.0/20"
POSTGRES_IMAGE = "postgres:15-alpine"
"""The name that MiniStack asks for; the image contains this machine's PostgreSQL."""
START_SECONDS = 120.0
POSTGRES_ENTRYPOINT = """#!/bin/sh
# Like that of the official image: prepares the data as root, then continues as the user postgres.
set -eu
if [ "$(id -u)" = 0 ]; then
  mkdir -p "$PGDATA"
  chown -R postgres:postgres /var/lib/postgresql
  exec setpriv --reuid=999 --regid=999 --clear-groups "$0" "$@"
fi
if [ ! -s "$PGDATA/PG_VERSION" ]; then
  chmod 700 "$PGDATA"
  printf '%s' "$POSTGRES_PASSWORD" >/tmp/password
  initdb -U "$POSTGRES_USER" --pwfile=/tmp/password --auth=scram-sha-256 -E UTF8 --no-locale -N "$PGDATA" >/dev/null
  echo "host all all all scram-sha-256" >>"$PGDATA/pg_hba.conf"
  echo "CREATE DATABASE \\"$POSTGRES_DB\\"" | postgres --single -D "$PGDATA" postgres >/dev/null
fi
shift
exec postgres -D "$PGDATA" -c jit=off -c listen_addresses='*' -c unix_socket_directories=/tmp "$@"
"""


@dataclass(frozen=True, slots=True)
class RunningMinistack:
    """``socket`` is that of the engine."""

    endpoint: str
    socket: Path

    def containers(self) -> list[str]:
        """The names of those that run, as the engine knows them. MiniStack removes those of ended tasks later."""
        with engine_process.connect(self.socket) as http:
            names = [name.lstrip("/") for item in http.get("/containers/json").json() for name in item["Names"]]
        return sorted(name for name in names if name != HOLDER)


def find_python() -> str:
    """Raises ``MinistackUnavailable``."""
    python = os.environ.get(PYTHON_VARIABLE, "")
    if not python or not Path(python).exists():
        raise MinistackUnavailable(wording.NOT_INSTALLED)
    if not engine_process.can_start():
        raise MinistackUnavailable(wording.NO_ENGINE)
    return python


@contextlib.contextmanager
def running(python: str, folder: Path, network_range: str = DEMO_NETWORK_RANGE) -> Iterator[RunningMinistack]:
    folder.mkdir(exist_ok=True)
    with engine_process.running(folder / "engine") as socket:
        _load_images(socket, folder)
        _create_network(socket, network_range)
        with _ministack(python, folder, socket) as endpoint:
            yield RunningMinistack(endpoint, socket)


def _load_images(socket: Path, folder: Path) -> None:
    for name, image in ((POSTGRES_IMAGE, _postgres_image()), (f"{HOLDER}:1", base_images.python_image())):
        oci.write_docker_archive(image, name, folder / "image.tar")
        engine_process.load_image(socket, folder / "image.tar")
        (folder / "image.tar").unlink()


def _postgres_image() -> OciImage:
    base = base_images.postgres_image()
    files = base_images.shell_programs(("chown", "setpriv", "id", "mkdir", "chmod"))
    files |= {
        "usr/bin/docker-entrypoint.sh": POSTGRES_ENTRYPOINT.encode(),
        "etc/group": b"root:x:0:\npostgres:x:999:\n",
    }
    return OciImage((*base.layers, ImageLayer(files, {}, ())), base.command, (), base.env, user="0")


def _create_network(socket: Path, network_range: str) -> None:
    """For all containers. MiniStack finds it as the network of a container that it believes to run in."""
    config = {"Name": NETWORK, "Driver": "bridge", "IPAM": {"Config": [{"Subnet": network_range}]}}
    holder = {
        "Image": f"{HOLDER}:1",
        "Cmd": ["python3", "-c", "import signal; signal.pause()"],
        "HostConfig": {"NetworkMode": NETWORK},
    }
    with engine_process.connect(socket) as http:
        http.post("/networks/create", json=config).raise_for_status()
        http.post("/containers/create", params={"name": HOLDER}, json=holder).raise_for_status()
        http.post(f"/containers/{HOLDER}/start").raise_for_status()


@contextlib.contextmanager
def _ministack(python: str, folder: Path, socket: Path) -> Iterator[str]:
    port = free_port()
    env = {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": str(folder),
        "TMPDIR": str(folder),
        "GATEWAY_PORT": str(port),
        "BIND_HOST": "127.0.0.1",
        "STATE_DIR": str(folder / "state"),
        "MINISTACK_REGION": REGION,
        "DOCKER_HOST": f"unix://{socket}",
        "DOCKER_NETWORK": NETWORK,
        "HOSTNAME": HOLDER,
        "IOT_MTLS_ENABLED": "0",  # it would listen on a fixed port
    }
    with (folder / "ministack.log").open("wb") as log:
        command = [python, "-m", "ministack"]
        process = subprocess.Popen(command, env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        _wait_until_ready(process, f"http://127.0.0.1:{port}/_ministack/health", folder / "ministack.log")
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(timeout=60)


def _wait_until_ready(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    if not process_start.wait_until_ready(process, lambda: _is_healthy(url), START_SECONDS):
        raise MinistackUnavailable(wording.not_started("MiniStack", log.read_text(errors="replace")[-2000:]))


def _is_healthy(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310 - on loopback
            json.load(answer)
    except (OSError, ValueError):
        return False
    return True
