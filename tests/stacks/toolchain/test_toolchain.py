"""The tools that Eph depends on: found, installed once, never partially, and one message if there are none (P5, O4).

The world here is a PATH of small scripts that this test writes, and an empty cache folder. Network access is disabled
by the user's setting for it, or by a proxy that rejects everything.
"""

from __future__ import annotations

import io
import os
import re
import signal
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

import pytest

from stacks.toolchain import installers, pulumi_cli, wording
from stacks.toolchain.pulumi_cli import VERSION, ToolchainNotFound

ROOT = Path(__file__).parents[3]
SYSTEM = "/usr/bin:/bin"


@dataclass(frozen=True)
class ToolMachine:
    """A machine with what a test puts into its ``bin``, and a shell."""

    folder: Path

    @property
    def bin(self) -> Path:
        return self.folder / "bin"

    @property
    def cache(self) -> Path:
        return self.folder / "cache"

    @property
    def cached_pulumi(self) -> Path:
        return self.cache / "pulumi" / VERSION / "bin" / "pulumi"

    def program(self, name: str, text: str) -> Path:
        path = self.bin / name
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)
        return path

    def pulumi(self, version: str) -> Path:
        return self.program("pulumi", f"echo v{version}")

    def install_fake_go(self, before: str = "", version: str = VERSION) -> None:
        """A go that counts its runs and links a pulumi that prints its version."""
        out = 'while [ "$1" != -o ]; do shift; done\n'
        link = f'printf \'#!/bin/sh\\necho v{version}\\n\' >"$2"; chmod +x "$2"'
        self.program("go", f"echo run >>{self.folder}/runs\n{out}{before}\n{link}")

    def build_count(self) -> int:
        told = self.folder / "runs"
        return len(told.read_text().split()) if told.exists() else 0

    def start(self) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "stacks.toolchain.pulumi_cli"],
            cwd=ROOT,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ToolMachine:
    here = ToolMachine(tmp_path)
    here.bin.mkdir()
    monkeypatch.setenv("PATH", f"{here.bin}:{SYSTEM}")
    monkeypatch.setenv("EPH_CACHE", str(here.cache))
    monkeypatch.setenv("EPH_TOOLCHAIN_WAYS", "path cache build")
    return here


def discard(_: str) -> None: ...


def newer_version() -> str:
    major, minor, patch = VERSION.split(".")
    return f"{major}.{int(minor) + 1}.{patch}"


@pytest.mark.parametrize("version", [VERSION, newer_version()])
def test_compatible_pulumi_on_path_is_used(machine: ToolMachine, version: str) -> None:
    binary = machine.pulumi(version)
    found = pulumi_cli.find()
    assert (found.pulumi, found.version, found.source) == (binary, version, "path")


def test_our_plugin_comes_first_on_the_path(machine: ToolMachine) -> None:
    machine.pulumi(VERSION)
    first, second = pulumi_cli.find().path.split(os.pathsep)
    assert (Path(first) / installers.PYTHON_PLUGIN).stat().st_mode & 0o111
    assert second == str(machine.bin)


def test_plugin_starts_the_configured_interpreter(machine: ToolMachine) -> None:
    told = machine.program("my python", 'echo "$@"')
    plugin = installers.plugin_folder(machine.cache) / installers.PYTHON_PLUGIN
    env = {**os.environ, "PULUMI_PYTHON_CMD": str(told)}
    done = subprocess.run([plugin, "127.0.0.1:9 x", "y"], capture_output=True, text=True, env=env, check=True)
    assert done.stdout == "-u -m pulumi.dynamic 127.0.0.1:9 x y\n"


def test_plugin_hands_over_a_warm_provider_and_ends_with_pulumi(machine: ToolMachine) -> None:
    plugin = installers.plugin_folder(machine.cache) / installers.PYTHON_PLUGIN
    env = {**os.environ, "EPH_DYNAMIC_PROVIDER_PORT": "4711"}
    with subprocess.Popen([plugin], env=env, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as waiting:
        assert waiting.stdout is not None
        assert waiting.stdin is not None
        assert waiting.stdout.readline() == "4711\n"
        assert waiting.poll() is None
        waiting.stdin.close()
        assert waiting.wait(5) == 0


@pytest.mark.parametrize(
    ("version", "reason"),
    [("3.1.0", f"older than the SDK's {VERSION}"), ("4.0.0", "another major version"), ("dev", "not a version")],
)
def test_incompatible_pulumi_on_path_is_skipped_with_the_reason(
    machine: ToolMachine, version: str, reason: str
) -> None:
    binary = machine.pulumi(version)
    with pytest.raises(ToolchainNotFound, match=re.escape(reason)) as told:
        pulumi_cli.find()
    assert f"{binary} is {version}" in str(told.value)


def test_pulumi_on_path_that_does_not_run_is_skipped(machine: ToolMachine) -> None:
    machine.program("pulumi", "exit 3")
    with pytest.raises(ToolchainNotFound, match="doesn't run"):
        pulumi_cli.find()


def test_built_once_then_found_in_the_cache(machine: ToolMachine) -> None:
    machine.pulumi("3.1.0")
    machine.install_fake_go()
    made, again = pulumi_cli.ensure(discard), pulumi_cli.ensure(discard)
    assert (made.pulumi, made.source) == (machine.cached_pulumi, "build")
    assert (again.pulumi, again.source) == (machine.cached_pulumi, "cache")
    assert machine.build_count() == 1


def test_two_concurrent_calls_build_once(machine: ToolMachine) -> None:
    gate = machine.folder / "gate"
    os.mkfifo(gate)
    machine.install_fake_go(before=f"echo building >&2; read go <{gate}")
    first = machine.start()
    assert first.stderr is not None
    assert "building from its Go module" in first.stderr.readline()  # so the first one has the lock
    with machine.start() as second:
        assert second.stderr is not None
        assert wording.waiting_for_installer(VERSION) in second.stderr.readline()
        gate.write_text("on\n")
        seen = [first.communicate()[0], second.communicate()[0]]
    assert [first.returncode, second.returncode] == [0, 0]
    assert [re.findall(r"source +(\w+)", text) for text in seen] == [["build"], ["cache"]]
    assert machine.build_count() == 1


def test_killed_build_leaves_nothing_incomplete(machine: ToolMachine) -> None:
    gate = machine.folder / "gate"
    os.mkfifo(gate)
    machine.install_fake_go(before=f'printf half >"$2"; echo $$ >{gate}; read go <{gate}')
    with machine.start() as killed:
        compiler = int(gate.read_text())  # it has written half of the binary now
        killed.kill()
    assert not machine.cached_pulumi.exists()
    os.kill(compiler, signal.SIGKILL)

    machine.install_fake_go()
    assert pulumi_cli.ensure(discard).source == "build"
    assert [path.name for path in (machine.cache / "pulumi").iterdir() if path.name.startswith(".new")] == []
    assert subprocess.run([machine.cached_pulumi], capture_output=True, text=True, check=True).stdout == f"v{VERSION}\n"


def test_build_of_another_version_is_rejected(machine: ToolMachine) -> None:
    machine.install_fake_go(version="3.1.0")
    with pytest.raises(ToolchainNotFound, match=f"it installed 3.1.0, not {re.escape(VERSION)}"):
        pulumi_cli.ensure(discard)
    assert not machine.cached_pulumi.exists()


def test_command_can_print_only_the_path(machine: ToolMachine) -> None:
    machine.install_fake_go()
    out, err = io.StringIO(), io.StringIO()
    assert pulumi_cli.main(["--path"], out, err) == 0
    assert out.getvalue().endswith(f"{os.pathsep}{machine.cached_pulumi.parent}\n")
    assert "building" in err.getvalue()


def test_the_command_fails_with_the_reasons(machine: ToolMachine) -> None:
    machine.program("go", "exit 1")
    out, err = io.StringIO(), io.StringIO()
    assert pulumi_cli.main([], out, err) == 1
    assert (out.getvalue(), "Tried:" in err.getvalue()) == ("", True)


def test_progress_reports_slow_steps(machine: ToolMachine) -> None:
    machine.install_fake_go()
    heard: list[str] = []
    pulumi_cli.ensure(heard.append)
    assert f"pulumi {VERSION}: building" in heard[0]


def test_when_nothing_works_one_message_lists_every_way(machine: ToolMachine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EPH_TOOLCHAIN_WAYS")
    for name in ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # nothing listens there: refused immediately
    machine.pulumi("3.1.0")
    machine.program("go", "echo 'no such module: example' >&2; exit 1")
    with pytest.raises(ToolchainNotFound) as told:
        pulumi_cli.ensure(discard)
    text = str(told.value)
    for expected in ("path: ", "older than", "cache: nothing at", "download: URLError", "refused", "no such module"):
        assert expected in text
    assert "make toolchain" in text
    assert "not tried" not in text


def test_missing_go_has_its_own_reason(machine: ToolMachine, monkeypatch: pytest.MonkeyPatch) -> None:
    machine.program("sh", 'exec /bin/sh "$@"')
    monkeypatch.setenv("PATH", str(machine.bin))
    with pytest.raises(ToolchainNotFound, match="build: Go isn't on PATH"):
        pulumi_cli.ensure(discard)


def test_ways_can_be_disabled_and_a_wrong_name_is_reported(
    machine: ToolMachine, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.install_fake_go()
    monkeypatch.setenv("EPH_TOOLCHAIN_WAYS", "path,cache")
    with pytest.raises(ToolchainNotFound, match="build: not allowed by EPH_TOOLCHAIN_WAYS"):
        pulumi_cli.ensure(discard)
    assert machine.build_count() == 0
    monkeypatch.setenv("EPH_TOOLCHAIN_WAYS", "conjure")
    with pytest.raises(ToolchainNotFound, match="contains conjure; use any of: path, cache, download, build"):
        pulumi_cli.find()


def test_unwritable_cache_is_one_sentence(machine: ToolMachine) -> None:
    machine.cache.write_text("a file where the folder should be")
    for pulumi_there in (False, True):
        if pulumi_there:
            machine.pulumi(VERSION)
        with pytest.raises(ToolchainNotFound, match="set EPH_CACHE to a writable folder"):
            pulumi_cli.ensure(discard)


def test_endless_child_reaches_its_deadline() -> None:
    with pytest.raises(installers.SourceUnavailable, match="not finished within 0 s"):
        installers._run(["sleep", "60"], 0.01, lambda _: None)


def test_one_version_of_pulumi_everywhere() -> None:
    """The SDK, go.mod, pyproject and both locks contain the same release."""
    module = re.search(r"pulumi/pkg/v3 v(\S+)", (ROOT / "infra/toolchain/pulumi/go.mod").read_text())
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert module is not None
    assert module[1] == VERSION
    assert f"pulumi=={VERSION}" in project["optional-dependencies"]["server"]
    for lock in ("requirements.lock", "requirements-dev.lock"):
        assert re.search(rf"^pulumi=={re.escape(VERSION)}[ \\]", (ROOT / lock).read_text(), re.MULTILINE), lock
