"""A registry of images on loopback, open to everyone on this machine: Debian's docker-registry in a folder."""

from __future__ import annotations

import contextlib
import http.client
import json
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from orchestrator.demo import process_start
from orchestrator.demo.free_ports import free_port
from orchestrator.demo.ministack import wording
from orchestrator.demo.ministack.errors import MinistackUnavailable

PROGRAM = "docker-registry"
START_SECONDS = 60.0
NOTHING_MORE: Mapping[str, Any] = MappingProxyType({})


def is_installed() -> bool:
    return shutil.which(PROGRAM) is not None


@contextlib.contextmanager
def running(folder: Path, program: str = PROGRAM, more: Mapping[str, Any] = NOTHING_MORE) -> Iterator[str]:
    """Its host and port. ``more`` is added to its configuration."""
    folder.mkdir(exist_ok=True)
    host = f"127.0.0.1:{free_port()}"
    config = {
        "version": 0.1,
        "log": {"level": "error", "accesslog": {"disabled": True}},
        "storage": {"filesystem": {"rootdirectory": str(folder / "data")}},
        "http": {"addr": host},
        **more,
    }
    (folder / "config.yaml").write_text(json.dumps(config))
    with (folder / "log").open("wb") as log:
        command = [program, "serve", str(folder / "config.yaml")]
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=folder)
    try:
        _wait_until_ready(process, host, folder / "log")
        yield host
    finally:
        process.terminate()
        process.wait(timeout=30)


def _wait_until_ready(process: subprocess.Popen[bytes], host: str, log: Path) -> None:
    if not process_start.wait_until_ready(process, lambda: _responds(host), START_SECONDS):
        raise MinistackUnavailable(wording.not_started(PROGRAM, log.read_text(errors="replace")[-1000:]))


def _responds(host: str) -> bool:
    """With any status: whoever asks without a password is refused."""
    connection = http.client.HTTPConnection(host, timeout=5)
    try:
        connection.request("GET", "/v2/")
        connection.getresponse().read()
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
    return True
