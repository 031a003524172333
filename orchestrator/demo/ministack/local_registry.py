"""A registry of images on loopback, open to everyone on this machine: Debian's docker-registry in a folder."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx

from orchestrator.demo.free_ports import free_port
from orchestrator.demo.ministack import wording
from orchestrator.demo.ministack.errors import MinistackUnavailable

PROGRAM = "docker-registry"
START_SECONDS = 60.0


def is_installed() -> bool:
    return shutil.which(PROGRAM) is not None


@contextlib.contextmanager
def running(folder: Path) -> Iterator[str]:
    """Its host and port."""
    folder.mkdir()
    host = f"127.0.0.1:{free_port()}"
    config = {
        "version": 0.1,
        "log": {"level": "error", "accesslog": {"disabled": True}},
        "storage": {"filesystem": {"rootdirectory": str(folder / "data")}},
        "http": {"addr": host},
    }
    (folder / "config.yaml").write_text(json.dumps(config))
    with (folder / "log").open("wb") as log:
        command = [PROGRAM, "serve", str(folder / "config.yaml")]
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=folder)
    try:
        _wait_until_ready(process, host, folder / "log")
        yield host
    finally:
        process.terminate()
        process.wait(timeout=30)


def _wait_until_ready(process: subprocess.Popen[bytes], host: str, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        with contextlib.suppress(httpx.HTTPError):
            httpx.get(f"http://{host}/v2/", timeout=5, trust_env=False)
            return
        if process.poll() is not None or time.monotonic() > deadline:
            raise MinistackUnavailable(wording.not_started(PROGRAM, log.read_text(errors="replace")[-1000:]))
        time.sleep(0.05)
