"""The client as people install it: the wheel without its extras, in an environment of its own. Rows: P5, O4."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import venv
from dataclasses import dataclass
from pathlib import Path

import pytest

from orchestrator.cli.cli_errors import ExitCode
from orchestrator.service.fake import FakeEnvironmentService
from programs import registry
from tests.surfaces.api_server import TOKENS

pytestmark = [pytest.mark.real, pytest.mark.long, pytest.mark.timeout(300)]

ROOT = Path(__file__).parents[2]
PACKAGES = ("orchestrator", "stacks", "programs")
LARGEST = 30_000_000
"""Bytes. With the bytecode of what was imported, but not of everything, which pip adds and uv doesn't."""
NEEDS_SERVER = (["demo"], ["server", "backup", "x"], ["server", "restore", "x"], ["server", "rotate-keys"])
NEEDS_MCP = ["mcp"]


@dataclass(frozen=True, slots=True)
class Client:
    folder: Path

    @property
    def packages(self) -> Path:
        (found,) = self.folder.glob("lib/python*/site-packages")
        return found

    def run(self, program: str, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """In an empty home. The variables of the tests' own environment would bring its packages and bytecode
        settings."""
        foreign = ("EPH_", "PYTHON", "XDG_")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
        own = {"HOME": str(self.home), "NO_COLOR": "1", "COLUMNS": "200", **variables}
        command = [str(self.folder / "bin" / program), *arguments]
        return subprocess.run(command, cwd=self.home, env=kept | own, capture_output=True, text=True, check=False)

    @property
    def home(self) -> Path:
        return self.folder / "home"


def pip(*arguments: str) -> None:
    done = subprocess.run([sys.executable, "-m", "pip", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Client:
    folder = tmp_path_factory.mktemp("client")
    tree = folder / "tree"
    for package in PACKAGES:
        shutil.copytree(ROOT / package, tree / package, ignore=shutil.ignore_patterns("__pycache__"))
    for file in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / file, tree)
    quiet = ("--quiet", "--disable-pip-version-check", "--no-deps")
    pip("wheel", *quiet, "--no-index", "--no-build-isolation", "--wheel-dir", str(folder), str(tree))
    (wheel,) = folder.glob("eph-*.whl")
    installed = Client(folder / "environment")
    venv.create(installed.folder, symlinks=True)
    python = str(installed.folder / "bin" / "python")
    install = ("--python", python, "install", *quiet, "--no-compile")
    pip(*install, "--require-hashes", "--requirement", str(ROOT / "requirements-client.lock"))
    pip(*install, "--no-index", str(wheel))
    pip("--python", python, "check")
    (installed.home / ".git").mkdir(parents=True)
    return installed


def test_commands_work_without_the_server_and_its_size_is_bounded(
    client: Client, url: str, desk: FakeEnvironmentService
) -> None:
    server = {"EPH_URL": url, "EPH_TOKEN": TOKENS["admin"]}
    assert "See environments:" in client.run("eph", "--help").stdout
    listed = client.run("eph", "list", **server)
    assert "shop-gentle-stream-42" in listed.stdout, listed.stderr
    shown = client.run("eph", "get", "42", "-o", "json", **server)
    assert json.loads(shown.stdout)["number"] == 42
    assert client.run("eph", "sleep", "42", **server).returncode == 0
    completed = client.run(
        "eph", _EPH_COMPLETE="complete_bash", COMP_WORDS="eph get shop-gentle-stream-4", COMP_CWORD="2", **server
    )
    assert completed.stdout.split() == ["shop-gentle-stream-42"]
    check_repository_commands(client)
    checks = {row["name"]: row["verdict"] for row in json.loads(client.run("eph", "doctor", "-o", "json").stdout)}
    assert checks == {"Python": "ok", "git": "ok", "packages": "warn", "server": "warn"}

    size = sum(path.lstat().st_size for path in client.packages.rglob("*") if not path.is_dir())
    assert 10_000_000 < size < LARGEST


def check_repository_commands(client: Client) -> None:
    """Each target describes its section of eph.yaml without the packages that it runs with."""
    compose = client.home / "compose.yaml"
    compose.write_text("services:\n  web: {image: nginx, ports: ['8080:80']}\n")
    assert client.run("eph", "init").returncode == 0
    compose.unlink()
    assert "target: compose" in (client.home / "eph.yaml").read_text()
    (client.home / "eph.yaml").unlink()
    for target in registry.installed_targets():
        file = client.home / f"{target}.yaml"
        file.write_text(f'version: "1.0"\nname: shop\ntarget: {target}\n')
        found = json.loads(client.run("eph", "validate", str(file), "-o", "json").stdout)
        assert found["target"] == target
        assert found["problems"], "an empty file has nothing to deploy"
    assert client.run("eph", "target", "new", "pages").returncode == 0


@pytest.mark.parametrize("command", [*NEEDS_SERVER, NEEDS_MCP])
def test_command_that_needs_an_extra_names_it(client: Client, command: list[str]) -> None:
    done = client.run("eph", *command)
    assert done.returncode == ExitCode.USAGE
    assert ("[mcp]" if command == NEEDS_MCP else "[server]") in done.stderr
    assert "Traceback" not in done.stderr


def test_ephd_names_the_extra_in_one_sentence(client: Client) -> None:
    done = client.run("ephd")
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert "[server]" in line
