"""A separate machine for each test: a root in a temporary folder, a repository to push to, Pulumi with a file store."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import psycopg
import pytest

from programs.kit.database import postgres
from programs.kit.isolation import servers
from programs.kit.isolation.sockets import Dialer
from programs.spec import CommandSpec, DatabaseSpec, EnvironmentSpec, GitSource, HealthCheck, ServiceSpec
from programs.targets.local import settings as settings_module
from programs.targets.local.settings import LocalSettings
from programs.targets.local.target import TARGET
from stacks.backends.file.file_backend import FileBackend
from tests.targets import pulumi_driver

APP = """
import http.server, json, os, urllib.request

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/environ":
            body = json.dumps(dict(os.environ))
        elif self.path.startswith("/read?"):
            try:
                body = open(self.path[6:]).read()
            except OSError as error:
                body = "refused: " + type(error).__name__
        elif self.path.startswith("/fetch?"):
            body = urllib.request.urlopen(os.environ[self.path[7:]] + "/version").read().decode()
        elif self.path == "/pids":
            body = json.dumps([int(name) for name in os.listdir("/proc") if name.isdigit()])
        else:
            body = open("version.txt").read().strip()
        data = body.encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *words):
        print("request", self.path, flush=True)

print("starting", os.environ["EPH_COMMIT"][:7], flush=True)
http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"""


def local_settings(folder: Path, **changes: str) -> LocalSettings:
    return settings_module.from_mapping({"root": str(folder / "root"), "routes": str(folder / "routes"), **changes})


@dataclass
class Repository:
    """A bare repository, and a working copy to commit from."""

    bare: Path
    work: Path

    def git(self, *words: str, stdin: str = "") -> str:
        env = {"PATH": os.environ["PATH"], "HOME": str(self.work), "GIT_CONFIG_GLOBAL": "/dev/null"}
        env |= {
            f"GIT_{who}_{what}": "test@example.com" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")
        }
        done = subprocess.run(
            ["git", "-C", str(self.work), *words], env=env, input=stdin, capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    def mktree(self, lines: str) -> str:
        """Writes a tree object, whatever is in the working copy."""
        return self.git("mktree", stdin=f"{lines}\n" if lines else "")

    def push(self, changes: dict[str, str], branch: str = "main") -> str:
        for name, text in changes.items():
            path = self.work / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "-m", "a change")
        self.git("push", "--quiet", "--force", str(self.bare), f"HEAD:{branch}")
        return self.git("rev-parse", "HEAD")


def new_repository(folder: Path) -> Repository:
    found = Repository(folder / "origin.git", folder / "work")
    for path, words in ((found.bare, ["--bare"]), (found.work, [])):
        subprocess.run(["git", "init", "--quiet", "--initial-branch=main", *words, str(path)], check=True)
    return found


@dataclass
class LocalMachine:
    """A root of the local target, and the real Pulumi with a store in a folder."""

    folder: Path
    raw_settings: dict[str, str]
    env: dict[str, str] = field(default_factory=dict)

    @property
    def settings(self) -> LocalSettings:
        return settings_module.from_mapping(self.raw_settings)

    def spec(self, repository: Repository, commit: str, **changes: Any) -> EnvironmentSpec:
        spec = EnvironmentSpec(
            name="shop-gentle-stream-42",
            host="shop-gentle-stream-42.localhost",
            target="local",
            project="eph-shop",
            source=GitSource(str(repository.bare), commit, "main"),
            services=(ServiceSpec("web", "exec python3 app.py", health=HealthCheck("/version", 20)),),
            settings=self.raw_settings,
        )
        return replace(spec, **changes)

    def start(self, verb: str, spec: EnvironmentSpec | None = None) -> subprocess.Popen[str]:
        """Starts an operation in its own process group."""
        return pulumi_driver.start(verb, spec, self.env, self.folder / "project")

    def run(self, verb: str, spec: EnvironmentSpec | None = None) -> dict[str, Any]:
        return pulumi_driver.finish(self.start(verb, spec))

    def up(self, spec: EnvironmentSpec) -> dict[str, Any]:
        outputs: dict[str, Any] = self.run("up", spec)["outputs"]
        return outputs

    def destroy(self) -> None:
        self.run("destroy")

    def outputs(self) -> dict[str, Any]:
        outputs: dict[str, Any] = self.run("outputs")["outputs"]
        return outputs

    def state(self) -> list[dict[str, Any]]:
        return list(self.run("state")["resources"])

    def route(self, host: str = "shop-gentle-stream-42.localhost") -> dict[str, Any]:
        data: dict[str, Any] = json.loads((self.settings.routes / f"{host}.json").read_text())
        return data

    def get(self, path: str = "/version", host: str = "shop-gentle-stream-42.localhost") -> str:
        return http_get(self.settings, self.route(host), path)

    def remaining(self) -> list[str]:
        return TARGET.list_remaining(self.raw_settings)


def http_get(settings: LocalSettings, route: dict[str, Any], path: str) -> str:
    """A service's answer, as the gateway gets it. Raises OSError, also for an error status."""
    if not route.get("isolated"):
        with urllib.request.urlopen(route["upstream"] + path, timeout=5) as answer:
            return str(answer.read().decode())
    port = int(route["upstream"].rpartition(":")[2])
    with (
        Dialer(servers.folder(settings), route["environment"]) as dialer,
        contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=5)) as connection,
    ):
        connection.sock = dialer.connect(port, 5)
        connection.request("GET", path)
        response = connection.getresponse()
        text = response.read().decode()
        if response.status >= 400:
            raise OSError(f"HTTP {response.status}: {text}")
        return text


def database_session(settings: LocalSettings, url: str, **options: Any) -> psycopg.Connection[Any]:
    """A session with a URL that works inside environments only: by the socket of the embedded server."""
    return psycopg.connect(url, host=postgres.socket_folder(settings), **options)


def wait_for(condition: Callable[[], bool], seconds: float = 10.0) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def pulumi_env(folder: Path) -> dict[str, str]:
    found = shutil.which("pulumi")
    if not found:
        pytest.skip("pulumi is not on PATH; run `make toolchain`")
    plugins = folder / "bin"
    for path in (plugins, folder / "store", folder / "project", folder / "home"):
        path.mkdir()
    plugin = plugins / "pulumi-resource-pulumi-python"
    plugin.write_text('#!/bin/sh\nexec "$PULUMI_PYTHON_CMD" -u -m pulumi.dynamic "$@"\n')
    plugin.chmod(0o755)
    return {
        "PATH": f"{plugins}:{Path(found).parent}:{os.environ['PATH']}",
        "PULUMI_HOME": str(folder / "home"),
        **FileBackend(folder / "store").environment(),
        "PULUMI_CONFIG_PASSPHRASE": "test",
        "PULUMI_SKIP_UPDATE_CHECK": "1",
        "PULUMI_PYTHON_CMD": sys.executable,
    }


WITH_DATABASE = (
    DatabaseSpec("db", strategy="seed", scripts=("db/schema.sql",), migrate=CommandSpec("sh migrate.sh", timeout=30)),
)
