"""Environments on disk: the folder, the process that serves it, and the route that leads there."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from programs.kit import files, routes, waiting
from programs.kit.processes import process_table
from programs.kit.routes import RouteRecord

TARGET_NAME = "folders"
START_SECONDS = 10.0


def pages(settings: Mapping[str, str]) -> Path:
    return Path(settings["root"]) / "pages"


def folder(settings: Mapping[str, str], name: str) -> Path:
    return pages(settings) / name


def list_names(settings: Mapping[str, str]) -> frozenset[str]:
    found = pages(settings)
    return frozenset(path.name for path in found.iterdir()) if found.exists() else frozenset()


def write(settings: Mapping[str, str], name: str, text: str, free_port: int) -> None:
    """A page that exists keeps its port."""
    path = files.make_folder(folder(settings, name))
    if not (path / "port.json").exists():
        files.write(path / "port.json", json.dumps(free_port))
    files.write(path / "index.html", text)


def read_page(settings: Mapping[str, str], name: str) -> str:
    return (folder(settings, name) / "index.html").read_text()


def start(settings: Mapping[str, str], name: str) -> None:
    """Returns when the page responds. Idempotent."""
    path = folder(settings, name)
    port = json.loads((path / "port.json").read_text())
    if not processes(settings, name):
        subprocess.Popen(
            [sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1", "--directory", str(path)],
            env={},  # not that of an operation, whose processes end with it
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    if not waiting.wait_until(lambda: _responds(port), START_SECONDS):
        raise RuntimeError(f"{name} doesn't respond on port {port}")


def stop(settings: Mapping[str, str], name: str) -> None:
    process_table.kill(processes(settings, name))


def processes(settings: Mapping[str, str], name: str) -> list[int]:
    ending = f"--directory {folder(settings, name)}"
    return [pid for pid in process_table.pids() if process_table.command_line(pid).endswith(ending)]


def add_route(settings: Mapping[str, str], name: str, host: str, commit: str) -> None:
    port = json.loads((folder(settings, name) / "port.json").read_text())
    route = RouteRecord(host, f"http://127.0.0.1:{port}", name, "page", commit, target=TARGET_NAME)
    routes.write(_routes_folder(settings), route)


def mark_asleep(settings: Mapping[str, str], name: str, asleep: bool) -> None:
    for route in _routes(settings, name):
        routes.write(_routes_folder(settings), replace(route, asleep=asleep))


def remove(settings: Mapping[str, str], name: str) -> None:
    for route in _routes(settings, name):
        routes.delete(_routes_folder(settings), route.host, name, route.service)
    stop(settings, name)
    files.remove(folder(settings, name))


def _routes(settings: Mapping[str, str], name: str) -> list[RouteRecord]:
    return [route for route in routes.list_routes(_routes_folder(settings), TARGET_NAME) if route.environment == name]


def _routes_folder(settings: Mapping[str, str]) -> Path:
    return Path(settings["routes"])


def _responds(port: int) -> bool:
    try:
        urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=2).close()
    except OSError:
        return False
    return True
