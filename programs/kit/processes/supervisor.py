"""One supervisord per root. It outlives Eph, and everything it runs ends with it.

It is a daemon in its own session, so neither Ctrl-C nor a kill of ephd or a worker reaches it. Its programs are defined
in files next to it, so a new supervisord restores everything after a kill or a reboot. Its children ask the kernel to
kill them when it dies (``launch.py``), so a new one never finds old ones. A response on the socket in our own folder
proves that it is ours.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import os
import re
import resource
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from programs.kit import files
from programs.kit.errors import TargetError
from programs.kit.host_settings import HostSettings
from programs.kit.processes import process_table, sandbox, supervisor_rpc, supervisor_states
from programs.kit.processes.sandbox import LaunchSpec

MAX_SOCKET_PATH = 100
"""The kernel's limit for the path of a unix socket is 107 bytes; supervisord adds a suffix while it binds."""
START_TIMEOUT = 20.0
_COMMAND = re.compile(r"^command=(.*)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class SupervisedProgram:
    """A program for supervisord. ``note`` is kept in its file and can be read back."""

    name: str
    launch: LaunchSpec
    note: str
    stop_signal: str = "TERM"
    stop_seconds: int = 3
    group: bool = True


def home(settings: HostSettings) -> Path:
    return settings.root / "supervisor"


def config(settings: HostSettings) -> Path:
    return home(settings) / "supervisord.conf"


def socket_path(settings: HostSettings) -> Path:
    """In our own folder, or in a short private one if that path is too long."""
    path = home(settings) / "rpc.sock"
    if len(os.fsencode(path)) <= MAX_SOCKET_PATH - 20:
        return path
    digest = hashlib.sha256(os.fsencode(settings.root)).hexdigest()[:12]
    return _short_folder() / f"eph-{os.getuid()}-{digest}" / "rpc.sock"


def _short_folder() -> Path:
    """The same for all our processes: an operation has its own folder for temporary files, so TMPDIR doesn't work."""
    places = [Path("/run"), Path(f"/run/user/{os.getuid()}"), Path("/tmp")]  # noqa: S108 - checked by _clear
    return next((place for place in places if os.access(place, os.W_OK)), places[-1])


def is_answering(settings: HostSettings) -> bool:
    try:
        supervisor_rpc.SupervisorClient(socket_path(settings)).call("getState")
    except (OSError, supervisor_rpc.Fault):
        return False
    return True


def ensure(settings: HostSettings) -> None:
    """Starts supervisord unless it responds. Of several concurrent callers, one starts it."""
    if is_answering(settings):
        return
    with files.locked(home(settings) / "lock"):
        if not is_answering(settings):
            _start(settings)


def client(settings: HostSettings) -> supervisor_rpc.SupervisorClient:
    """A client of the daemon, which is started if it isn't running."""
    ensure(settings)
    return supervisor_rpc.SupervisorClient(socket_path(settings))


def replace_missing_launchers(settings: HostSettings) -> None:
    """Restarts the programs whose launcher was moved by an upgrade. Otherwise supervisord, which restarts a program
    from its file, couldn't start them once they end."""
    with files.locked(home(settings) / "launchers.lock"):
        names = _rewrite_missing_launchers(settings)
        if not names:
            return
        daemon = client(settings)
        _reload(daemon)
        for name in names:
            with _ignoring(supervisor_rpc.NOT_RUNNING, supervisor_rpc.BAD_NAME):
                daemon.call("stopProcess", name, False)
        for name in names:
            _remove_group(daemon, name)
            with _ignoring(supervisor_rpc.ALREADY_ADDED):
                daemon.call("addProcessGroup", name)


def _rewrite_missing_launchers(settings: HostSettings) -> list[str]:
    """Returns the programs whose files were rewritten."""
    rewritten = []
    for name in list_programs(settings):
        try:
            text = program_file(settings, name).read_text()
        except FileNotFoundError:
            continue  # removed meanwhile
        found = _COMMAND.search(text)
        if found and not _can_run(found[1]):
            command = _escape(shlex.join(sandbox.launch_command(_launch_file(settings, name))))
            files.write(program_file(settings, name), text[: found.start(1)] + command + text[found.end(1) :])
            rewritten.append(name)
    return rewritten


def _can_run(command: str) -> bool:
    """Whether the interpreter and the launcher in a program's command line still exist."""
    python, _, _, launcher, *_ = [*shlex.split(command.replace("%%", "%")), *[""] * 4]
    return Path(python).exists() and Path(launcher).is_file()


def _start(settings: HostSettings) -> None:
    _remove_stale(settings)
    files.make_folder(settings.programs)
    _rewrite_missing_launchers(settings)
    files.make_folder(settings.logs)
    files.write(config(settings), _config(settings))
    result = subprocess.run(
        [sys.executable, "-I", "-m", "supervisor.supervisord", "-c", str(config(settings))],
        env={"PATH": os.environ.get("PATH", os.defpath), "LANG": "C.UTF-8"},
        cwd="/",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
        timeout=START_TIMEOUT,
        check=False,
    )
    deadline = time.monotonic() + START_TIMEOUT
    while result.returncode == 0 and time.monotonic() < deadline:
        if is_answering(settings):
            return
        time.sleep(0.02)
    output = result.stderr.decode(errors="replace").splitlines() or files.tail(home(settings) / "supervisord.log", 10)
    raise TargetError(f"supervisord didn't start in {home(settings)}", output[-10:])


def _remove_stale(settings: HostSettings) -> None:
    """Kills a supervisord that is alive but doesn't respond, and removes what a killed one left on disk."""
    process_table.kill([pid for pid in process_table.mentioning(str(config(settings))) if _is_daemon(pid, settings)])
    socket = socket_path(settings)
    files.make_folder(socket.parent)
    if socket.parent.stat().st_uid != os.geteuid() or socket.parent.is_symlink():
        raise TargetError(f"{socket.parent} belongs to another user. Remove it or choose a shorter root.")
    socket.unlink(missing_ok=True)


def _is_daemon(pid: int, settings: HostSettings) -> bool:
    return f"supervisor.supervisord -c {config(settings)}" in process_table.command_line(pid)


def _config(settings: HostSettings) -> str:
    folder = _escape(str(home(settings)))
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    most = 4096 if hard == resource.RLIM_INFINITY else min(4096, hard)
    user = "user=root\n" if os.geteuid() == 0 else ""
    return (
        f"[unix_http_server]\nfile={_escape(str(socket_path(settings)))}\nchmod=0600\n\n"
        f"[supervisord]\nlogfile={folder}/supervisord.log\nlogfile_maxbytes=1MB\nlogfile_backups=1\n"
        f"pidfile={folder}/supervisord.pid\nchildlogdir={folder}/logs\nidentifier=eph\nminfds={most}\n{user}\n"
        "[rpcinterface:supervisor]\n"
        "supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface\n\n"
        f"[rpcinterface:eph]\nsupervisor.rpcinterface_factory={supervisor_states.__name__}:make\n\n"
        "[include]\nfiles=programs/*.conf\n"
    )


def _escape(text: str) -> str:
    return text.replace("%", "%%")


def program_file(settings: HostSettings, name: str) -> Path:
    return settings.programs / f"{name}.conf"


def _launch_file(settings: HostSettings, name: str) -> Path:
    return settings.launches / f"{name}.json"


def log(settings: HostSettings, name: str) -> Path:
    # Next to supervisord, not in the environment: it refuses all programs if the folder of one log is missing.
    return settings.logs / f"{name}.log"


_AUTOSTART = ("autostart=false", "autostart=true")


def _program_config(settings: HostSettings, program: SupervisedProgram, argv: list[str]) -> str:
    group = "true" if program.group else "false"
    return (
        f"; {program.note}\n[program:{program.name}]\n"
        f"command={_escape(shlex.join(argv))}\ndirectory=/\n"
        # Each retry waits one second longer; a thousand of them take more than five days.
        "autostart=true\nautorestart=true\nstartsecs=2\nstartretries=1000\n"
        f"stopsignal={program.stop_signal}\nstopwaitsecs={program.stop_seconds}\nstopasgroup={group}\nkillasgroup=true\n"
        f"redirect_stderr=true\nstdout_logfile={_escape(str(log(settings, program.name)))}\n"
        f"stdout_logfile_maxbytes={settings.log_bytes}\nstdout_logfile_backups=1\n"
    )


def add(settings: HostSettings, program: SupervisedProgram) -> None:
    """Starts a program, replacing one of that name that an earlier attempt left."""
    remove(settings, [program.name])
    launch = dataclasses.replace(program.launch, parent=str(config(settings)))
    argv = sandbox.write_launch_file(_launch_file(settings, program.name), launch)
    files.write(program_file(settings, program.name), _program_config(settings, program, argv))
    daemon = client(settings)
    _reload(daemon)
    _add_group(daemon, program.name)


def suspend(settings: HostSettings, names: list[str]) -> None:
    """Stops programs but keeps them: a restarted supervisord doesn't start them. Returns when all have ended."""
    daemon = client(settings)
    for name in names:
        _set_autostart(settings, name, enabled=False)
        with _ignoring(supervisor_rpc.NOT_RUNNING, supervisor_rpc.BAD_NAME):
            daemon.call("stopProcess", name, False)
    deadline = time.monotonic() + START_TIMEOUT
    while running := [name for name in names if _info(daemon, name).get("pid")]:
        if time.monotonic() > deadline:
            raise TargetError(f"couldn't stop the process {running[0]}")
        time.sleep(0.02)


def resume(settings: HostSettings, names: list[str]) -> None:
    """Starts suspended programs. Those that are running keep running. Reading all configuration again is slow with
    many programs, so supervisord only does it for a program that it doesn't know."""
    daemon = client(settings)
    for name in names:
        _set_autostart(settings, name, enabled=True)
    unknown = [name for name in names if not _start_known(daemon, name)]
    if unknown:
        _reload(daemon)
    for name in unknown:
        _add_group(daemon, name)


def _start_known(daemon: supervisor_rpc.SupervisorClient, name: str) -> bool:
    """False if supervisord doesn't know the program."""
    try:
        with _ignoring(supervisor_rpc.ALREADY_STARTED, passing=supervisor_rpc.BAD_NAME):
            daemon.call("startProcess", name, False)
    except supervisor_rpc.Fault:
        return False
    return True


def _add_group(daemon: supervisor_rpc.SupervisorClient, name: str) -> None:
    with _ignoring(supervisor_rpc.ALREADY_ADDED):
        daemon.call("addProcessGroup", name)
    with _ignoring(supervisor_rpc.ALREADY_STARTED):
        daemon.call("startProcess", name, False)


def note(settings: HostSettings, name: str) -> str:
    """The note that was given when the program was added."""
    return program_file(settings, name).read_text().partition("\n")[0].removeprefix("; ")


def _set_autostart(settings: HostSettings, name: str, enabled: bool) -> None:
    path = program_file(settings, name)
    text = path.read_text()
    wanted = text.replace(f"\n{_AUTOSTART[not enabled]}\n", f"\n{_AUTOSTART[enabled]}\n", 1)
    if wanted != text:
        files.write(path, wanted)


def remove(settings: HostSettings, names: list[str]) -> None:
    """Stops programs and removes them. Unknown names are ignored.

    All of them are signalled before any is waited for.
    """
    daemon = client(settings)
    for name in names:
        program_file(settings, name).unlink(missing_ok=True)
        with _ignoring(supervisor_rpc.NOT_RUNNING, supervisor_rpc.BAD_NAME):
            daemon.call("stopProcess", name, False)
    for name in names:
        _remove_group(daemon, name)
        for path in settings.logs.glob(f"{name}.log*"):
            path.unlink(missing_ok=True)
        _launch_file(settings, name).unlink(missing_ok=True)


def _remove_group(daemon: supervisor_rpc.SupervisorClient, name: str) -> None:
    deadline = time.monotonic() + START_TIMEOUT
    while True:
        try:
            daemon.call("removeProcessGroup", name)
        except supervisor_rpc.Fault as fault:
            if fault.faultCode == supervisor_rpc.BAD_NAME:
                return
            if fault.faultCode != supervisor_rpc.STILL_RUNNING or time.monotonic() > deadline:
                raise TargetError(f"couldn't stop the process {name}: {fault.faultString}") from None
            time.sleep(0.02)
        else:
            return


def _reload(daemon: supervisor_rpc.SupervisorClient) -> None:
    try:
        daemon.call("reloadConfig")
    except supervisor_rpc.Fault as fault:
        raise TargetError(f"supervisord can't read its programs: {fault.faultString}") from None


@contextlib.contextmanager
def _ignoring(*codes: int, passing: int = 0) -> Iterator[None]:
    """Any other fault than ``codes`` raises TargetError; ``passing`` is a fault that is raised as it is."""
    try:
        yield
    except supervisor_rpc.Fault as fault:
        if fault.faultCode == passing:
            raise
        if fault.faultCode not in codes:
            raise TargetError(f"supervisord refused: {fault.faultString}") from None


def info(settings: HostSettings, name: str) -> dict[str, Any]:
    """What supervisord reports about a program; empty if it doesn't know that name."""
    return _info(client(settings), name)


def running_info(settings: HostSettings, name: str) -> dict[str, Any]:
    """As ``info``, but raises OSError when supervisord doesn't respond, and doesn't start one."""
    return _info(supervisor_rpc.SupervisorClient(socket_path(settings)), name)


def _info(daemon: supervisor_rpc.SupervisorClient, name: str) -> dict[str, Any]:
    try:
        found: dict[str, Any] = daemon.call("getProcessInfo", name)
    except supervisor_rpc.Fault as fault:
        if fault.faultCode == supervisor_rpc.BAD_NAME:
            return {}
        raise TargetError(f"supervisord refused: {fault.faultString}") from None
    return found


@dataclass(frozen=True, slots=True)
class ProgramState:
    """``state`` as supervisord names it; ``stopped_at``: when the program last exited, in seconds since the epoch."""

    state: str
    stopped_at: int


def states(settings: HostSettings) -> Mapping[str, ProgramState]:
    """How all programs are, by name. Raises OSError when supervisord doesn't respond, and doesn't start one."""
    daemon = supervisor_rpc.SupervisorClient(socket_path(settings))
    try:
        found = json.loads(daemon.call(supervisor_states.METHOD))
    except supervisor_rpc.Fault as fault:
        if fault.faultCode != supervisor_rpc.UNKNOWN_METHOD:
            raise
        # An earlier version of Eph started this supervisord.
        found = {info["name"]: (info["statename"], info["stop"]) for info in daemon.call("getAllProcessInfo")}
    return {name: ProgramState(*values) for name, values in found.items()}


def list_programs(settings: HostSettings) -> list[str]:
    """The names of all programs on disk, running or not."""
    return sorted(path.stem for path in settings.programs.glob("*.conf"))


def stop(settings: HostSettings) -> None:
    """Stops supervisord and everything it runs. The files stay, and ``ensure`` restarts it all."""
    with files.locked(home(settings) / "lock"):
        if is_answering(settings):
            with contextlib.suppress(OSError, supervisor_rpc.Fault):
                supervisor_rpc.SupervisorClient(socket_path(settings)).call("shutdown")
            deadline = time.monotonic() + START_TIMEOUT
            while time.monotonic() < deadline and any(_is_daemon(pid, settings) for pid in process_table.pids()):
                time.sleep(0.05)
        _remove_stale(settings)
        if not socket_path(settings).is_relative_to(settings.root):
            files.remove(socket_path(settings).parent)
