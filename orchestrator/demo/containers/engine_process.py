"""Docker's engine in a folder, for the demo and for tests: nothing else of this machine changes, and nothing stays.

It runs in namespaces of its own for processes and mounts, so ending its first process ends all its containers and
mounts, even after `kill -9`. The network is this machine's, because the gateway connects to containers directly; the
engine adds bridges, which are deleted with their networks, and no firewall rules.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket as sockets
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx2

from orchestrator.demo import process_start
from orchestrator.demo.containers import wording
from programs.kit.processes import process_table

START_SECONDS = 60.0
STOP_SECONDS = 30.0
CGROUPS = Path("/sys/fs/cgroup")
KEY = Path("/etc/docker/key.json")
"""Docker 20 writes it at each start."""
MAX_SOCKET_PATH = 90
"""In characters; the kernel's limit for a socket is 107."""


class EngineUnavailable(Exception):
    """No engine can run here; the message says what to do."""


def can_start() -> bool:
    return os.geteuid() == 0 and shutil.which("dockerd") is not None


@contextlib.contextmanager
def running(folder: Path) -> Iterator[Path]:
    """Starts an engine and yields its socket. At the end, everything that runs on it is removed."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    socket = folder / "docker.sock"
    if len(str(socket)) > MAX_SOCKET_PATH:
        raise EngineUnavailable(wording.socket_path_too_long(socket))
    group = f"eph-engine-{os.getpid()}-{os.urandom(3).hex()}"
    had_key = KEY.exists()
    with (folder / "engine.log").open("wb") as log:
        process = subprocess.Popen(
            _command(folder, socket, group),
            env={"PATH": os.environ.get("PATH", os.defpath), "TMPDIR": str(folder)},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        _wait_until_ready(process, socket, folder / "engine.log")
        yield socket
    finally:
        if responds(socket):
            _remove_everything(socket)
        _stop(process)
        _remove_groups(group)
        if not had_key:
            KEY.unlink(missing_ok=True)
            with contextlib.suppress(OSError):
                KEY.parent.rmdir()
        shutil.rmtree(folder, ignore_errors=True)


def load_image(socket: Path, archive: Path) -> None:
    """An archive in Docker's format, as ``docker load`` reads it."""
    with connect(socket) as http, archive.open("rb") as file:
        http.post("/images/load", content=file, headers={"Content-Type": "application/x-tar"}).raise_for_status()


def remove_image(socket: Path, name: str) -> None:
    with connect(socket) as http:
        http.delete(f"/images/{name}", params={"force": "true"})


def list_everything(socket: Path) -> list[str]:
    """The names of all containers, volumes, networks and images, whoever they belong to."""
    with connect(socket) as http:
        containers = http.get("/containers/json", params={"all": "true"}).json()
        found = [f"container {name}" for item in containers for name in item["Names"]]
        found += [f"volume {item['Name']}" for item in http.get("/volumes").json().get("Volumes") or ()]
        found += [f"network {item['Name']}" for item in http.get("/networks").json()]
        return found + [f"image {tag}" for item in http.get("/images/json").json() for tag in item["RepoTags"] or ()]


def responds(socket: Path) -> bool:
    try:
        with sockets.socket(sockets.AF_UNIX) as probe:
            probe.connect(str(socket))
        with connect(socket) as http:
            return http.get("/_ping").status_code == httpx2.codes.OK
    except (OSError, httpx2.HTTPError):
        return False


def _command(folder: Path, socket: Path, group: str) -> list[str]:
    namespaces = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
    places = [f"--host=unix://{socket}", f"--data-root={folder / 'data'}", f"--exec-root={folder / 'exec'}"]
    places += [f"--pidfile={folder / 'docker.pid'}", f"--cgroup-parent=/{group}"]
    network = ["--bridge=none", "--iptables=false", "--ip6tables=false", "--ip-masq=false", "--ip-forward=false"]
    limits = ["--oom-score-adjust=0", "--log-level=warn", "--shutdown-timeout=3"]
    return [*namespaces, "dockerd", *places, *network, *limits]


def _wait_until_ready(process: subprocess.Popen[bytes], socket: Path, log: Path) -> None:
    if not process_start.wait_until_ready(process, lambda: responds(socket), START_SECONDS):
        lines = log.read_text(errors="replace").splitlines()[-1:]
        raise EngineUnavailable(wording.engine_not_started(lines[0] if lines else ""))


def _remove_everything(socket: Path) -> None:
    """Only networks outlive the engine: their bridges are this machine's."""
    with connect(socket) as http:
        for container in http.get("/containers/json", params={"all": "true"}).json():
            http.delete(f"/containers/{container['Id']}", params={"force": "true", "v": "true"})
        for network in http.get("/networks").json():
            if network["Driver"] == "bridge":
                http.delete(f"/networks/{network['Id']}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Killing the engine, the first process of its namespace, ends everything else there. It has nothing to save."""
    for pid in process_table.children(process.pid):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _remove_groups(name: str) -> None:
    """Of version 1, where each controller has its own tree, and of version 2."""
    for top in [*CGROUPS.glob(f"*/{name}"), *CGROUPS.glob(name)]:
        for folder, _, _ in os.walk(top, topdown=False):
            with contextlib.suppress(OSError):
                Path(folder).rmdir()


def connect(socket: Path) -> httpx2.Client:
    return httpx2.Client(transport=httpx2.HTTPTransport(uds=str(socket)), base_url="http://engine", timeout=120.0)
