"""An AWS account on which things run: MiniStack with a Docker engine of its own, on this machine.

Tasks are real containers with their logs, RDS is a real PostgreSQL with TLS, and load balancers route by host name. Its
images come from a real registry. MiniStack would also say that things run if it had no engine, so tests ask the
containers, not only MiniStack.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest

from orchestrator.demo.cluster import base_images, oci
from orchestrator.demo.cluster.oci import ImageLayer, OciImage
from orchestrator.demo.cluster.registry_push import DemoRegistry
from orchestrator.demo.containers import engine_process
from orchestrator.demo.free_ports import free_port
from tests.images import registry_server
from tests.targets.aws.aws_account import REGION, AwsAccount, client_of, set_credentials

ROOT = Path(__file__).parents[3]
NETWORK, NETWORK_RANGE, HOLDER = "eph-aws", "10.215.64.0/20", "eph-aws-holder"
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


@dataclass(frozen=True)
class RealContainers:
    account: AwsAccount
    registry: DemoRegistry
    socket: Path

    def push(self, files: Mapping[str, str], repository: str = "acme/shop") -> str:
        """An image with Python and these files; its reference, pinned to the digest."""
        content = {path: text.encode() for path, text in files.items()}
        base = base_images.python_image()
        image = OciImage((*base.layers, ImageLayer({**content}, {}, ())), base.command, base.entrypoint, base.env)
        return f"{self.registry.host}/{repository}@{self.registry.push(image, repository, 'latest')}"

    def containers(self) -> dict[str, dict[str, Any]]:
        """Those that run, by name, as the engine knows them."""
        with self._engine() as http:
            found = http.get("/containers/json").json()
        return {item["Names"][0].lstrip("/"): item for item in found if HOLDER not in item["Names"][0]}

    def _engine(self) -> httpx2.Client:
        return engine_process._connect(self.socket)

    def fetch(self, host: str, path: str = "/") -> str:
        """As a visitor gets it from the environment's load balancer, which is chosen by its name and routes by host."""
        (balancer,) = self.account.clients().client("elbv2").describe_load_balancers()["LoadBalancers"]
        url = f"{self.account.endpoint}/_alb/{balancer['LoadBalancerName']}{path}"
        with urllib.request.urlopen(urllib.request.Request(url, headers={"Host": host}), timeout=20) as answer:
            return str(answer.read().decode())


def interpreter() -> str:
    """MiniStack's Python; installs it if necessary. Skips the test where that's impossible."""
    if not engine_process.can_start():
        pytest.skip("needs root and docker.io (make docker-compose)")
    done = subprocess.run([ROOT / "infra/toolchain/ministack.sh"], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"MiniStack can't be installed: {done.stderr.strip()}")
    return done.stdout.strip()


@contextlib.contextmanager
def running(monkeypatch: pytest.MonkeyPatch) -> Iterator[RealContainers]:
    program, registry_program = interpreter(), registry_server.registry_program()
    if registry_program is None:
        pytest.skip("needs Debian's docker-registry")
    set_credentials(monkeypatch)
    folder = Path(tempfile.mkdtemp(prefix="eph-aws-"))
    try:
        with (
            engine_process.running(folder / "engine") as socket,
            registry_server._run_registry(registry_program, folder / "registry", {}) as host,
        ):
            _load_images(socket, folder)
            address = _create_network(socket)
            with _ministack(program, folder, socket, address) as endpoint:
                zone = client_of(endpoint, "route53").create_hosted_zone(Name="preview.test", CallerReference="1")
                account = AwsAccount(endpoint, zone["HostedZone"]["Id"].rpartition("/")[2], runs_tasks=True)
                yield RealContainers(account, DemoRegistry(f"http://{host}"), socket)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _load_images(socket: Path, folder: Path) -> None:
    for name, image in ((POSTGRES_IMAGE, _postgres_image()), (f"{HOLDER}:1", base_images.python_image())):
        oci.write_docker_archive(image, name, folder / "image.tar")
        engine_process.load_image(socket, folder / "image.tar")
        (folder / "image.tar").unlink()


def _postgres_image() -> OciImage:
    base = base_images.postgres_image()
    files = base_images._shell(("chown", "setpriv", "id", "mkdir", "chmod"))
    files |= {
        "usr/bin/docker-entrypoint.sh": POSTGRES_ENTRYPOINT.encode(),
        "etc/group": b"root:x:0:\npostgres:x:999:\n",
    }
    return OciImage((*base.layers, ImageLayer(files, {}, ())), base.command, (), base.env, user="0")


def _create_network(socket: Path) -> str:
    """For all containers. MiniStack finds it as the network of a container that it believes to run in. Returns the
    name of that container."""
    config = {"Name": NETWORK, "Driver": "bridge", "IPAM": {"Config": [{"Subnet": NETWORK_RANGE}]}}
    holder = {
        "Image": f"{HOLDER}:1",
        "Cmd": ["python3", "-c", "import signal; signal.pause()"],
        "HostConfig": {"NetworkMode": NETWORK},
    }
    with engine_process._connect(socket) as http:
        http.post("/networks/create", json=config).raise_for_status()
        made = http.post("/containers/create", params={"name": HOLDER}, json=holder)
        made.raise_for_status()
        http.post(f"/containers/{HOLDER}/start").raise_for_status()
    return HOLDER


@contextlib.contextmanager
def _ministack(program: str, folder: Path, socket: Path, holder: str) -> Iterator[str]:
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
        "HOSTNAME": holder,
        "IOT_MTLS_ENABLED": "0",  # it would listen on a fixed port
    }
    with (folder / "ministack.log").open("wb") as log:
        command = [program, "-m", "ministack"]
        process = subprocess.Popen(command, env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        _wait_until_ready(process, f"http://127.0.0.1:{port}/_ministack/health", folder / "ministack.log")
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(timeout=60)


def _wait_until_ready(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        with contextlib.suppress(OSError, ValueError), urllib.request.urlopen(url, timeout=5) as answer:
            json.load(answer)
            return
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"MiniStack didn't start: {log.read_text(errors='replace')[-2000:]}")
        time.sleep(0.1)
