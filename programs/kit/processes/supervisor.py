"""One supervisord per root. It outlives Eph, and everything it runs ends with it.

It is a daemon in its own session, so neither Ctrl-C nor a kill of ephd or a worker reaches it. Its programs are defined
in files next to it, so a new supervisord restores everything after a kill or a reboot. Its children ask the kernel to
kill them when it dies (``launch.py``), so a new one never finds old ones. A response on the socket in our own folder
proves that it is ours.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import resource
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
from programs.kit.processes import process_table, program_files, supervisor_rpc, supervisor_states, wording
from programs.kit.processes.program_files import SupervisedProgram

MAX_SOCKET_PATH = 100
"""The kernel's limit for the path of a unix socket is 107 bytes; supervisord adds a suffix while it binds."""
START_TIMEOUT = 20.0
_OPEN_FILES = 4096
"""Each program takes a few of supervisord's."""


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
        _running_client(settings).call("getState")
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
    return _running_client(settings)


def _running_client(settings: HostSettings) -> supervisor_rpc.SupervisorClient:
    """Its calls raise OSError if the daemon isn't running. It saves a request where that is enough."""
    return supervisor_rpc.SupervisorClient(socket_path(settings))


def replace_missing_launchers(settings: HostSettings) -> None:
    """Restarts the programs whose launcher was moved by an upgrade. Otherwise supervisord, which restarts a program
    from its file, couldn't start them once they end."""
    with files.locked(home(settings) / "launchers.lock"):
        names = program_files.rewrite_missing_launchers(settings)
        if not names:
            return
        daemon = client(settings)
        _reload(daemon)
        for name in names:
            _signal_stop(daemon, name)
        for name in names:
            _remove_group(daemon, name)
            with _ignoring(supervisor_rpc.ALREADY_ADDED):
                daemon.call("addProcessGroup", name)


def _start(settings: HostSettings) -> None:
    _remove_stale(settings)
    files.make_folder(settings.programs)
    program_files.rewrite_missing_launchers(settings)
    files.make_folder(settings.logs)
    files.write(config(settings), _config(settings))
    _raise_limit_of_open_files()  # supervisord inherits it
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
    raise TargetError(wording.supervisor_not_started(home(settings)), output[-10:])


def _remove_stale(settings: HostSettings) -> None:
    """Kills a supervisord that is alive but doesn't respond, and removes what a killed one left on disk."""
    process_table.kill([pid for pid in process_table.mentioning(str(config(settings))) if _is_daemon(pid, settings)])
    socket = socket_path(settings)
    files.make_folder(socket.parent)
    if socket.parent.stat().st_uid != os.geteuid() or socket.parent.is_symlink():
        raise TargetError(wording.folder_of_another_user(socket.parent))
    socket.unlink(missing_ok=True)


def _is_daemon(pid: int, settings: HostSettings) -> bool:
    return f"supervisor.supervisord -c {config(settings)}" in process_table.command_line(pid)


def _raise_limit_of_open_files() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _OPEN_FILES if hard == resource.RLIM_INFINITY else min(_OPEN_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _config(settings: HostSettings) -> str:
    """``minfds`` is lower than the limit of open files: it is also how many descriptors each child closes, one by one,
    before it becomes its program. Python marks all descriptors as closed by that anyway."""
    folder = program_files.escape(str(home(settings)))
    user = "user=root\n" if os.geteuid() == 0 else ""
    return (
        f"[unix_http_server]\nfile={program_files.escape(str(socket_path(settings)))}\nchmod=0600\n\n"
        f"[supervisord]\nlogfile={folder}/supervisord.log\nlogfile_maxbytes=1MB\nlogfile_backups=1\n"
        f"pidfile={folder}/supervisord.pid\nchildlogdir={folder}/logs\nidentifier=eph\nminfds=64\n{user}\n"
        "[rpcinterface:supervisor]\n"
        "supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface\n\n"
        f"[rpcinterface:eph]\nsupervisor.rpcinterface_factory={supervisor_states.__name__}:make\n\n"
        "[include]\nfiles=programs/*.conf\n"
    )


def add(settings: HostSettings, program: SupervisedProgram) -> None:
    """Starts a program, replacing one of that name that an earlier attempt left."""
    remove(settings, [program.name])
    program_files.write(settings, program, parent=str(config(settings)))
    daemon = client(settings)
    _reload(daemon)
    _add_group(daemon, program.name)


def add_suspended(settings: HostSettings, program: SupervisedProgram) -> None:
    """As ``add``, but ``resume`` starts it. supervisord learns of it now, because the first start is waited for."""
    remove(settings, [program.name])
    program_files.write(settings, program, parent=str(config(settings)))
    program_files.set_autostart(settings, program.name, enabled=False)
    daemon = client(settings)
    _reload(daemon)
    with _ignoring(supervisor_rpc.ALREADY_ADDED):
        daemon.call("addProcessGroup", program.name)


def suspend(settings: HostSettings, names: list[str]) -> None:
    """Stops programs but keeps them: a restarted supervisord doesn't start them. Returns when all have ended."""
    daemon = client(settings)
    for name in names:
        program_files.set_autostart(settings, name, enabled=False)
        _signal_stop(daemon, name)
    _wait_until_ended(daemon, names)


def resume(settings: HostSettings, names: list[str]) -> None:
    """Starts suspended programs. Those that are running keep running. A daemon that isn't running is started."""
    for name in names:
        program_files.set_autostart(settings, name, enabled=True)
    try:
        _start_programs(_running_client(settings), names)
    except OSError:
        _start_programs(client(settings), names)


def _start_programs(daemon: supervisor_rpc.SupervisorClient, names: list[str]) -> None:
    """Reading all configuration again is slow with many programs, so supervisord only does it for a program that it
    doesn't know."""
    unknown = [name for name in names if not _start_known(daemon, name)]
    if unknown:
        _reload(daemon)
    for name in unknown:
        _add_group(daemon, name)


def restart(settings: HostSettings, names: list[str]) -> None:
    """Ends programs and starts them again from the same files."""
    daemon = client(settings)
    for name in names:
        _signal_stop(daemon, name)
    _wait_until_ended(daemon, names)
    for name in names:
        with _ignoring(supervisor_rpc.ALREADY_STARTED):
            daemon.call("startProcess", name, False)


def _wait_until_ended(daemon: supervisor_rpc.SupervisorClient, names: list[str]) -> None:
    deadline = time.monotonic() + START_TIMEOUT
    while running := [name for name in names if _info(daemon, name).get("pid")]:
        if time.monotonic() > deadline:
            raise TargetError(wording.not_stopped(running[0]))
        time.sleep(0.02)


def _start_known(daemon: supervisor_rpc.SupervisorClient, name: str) -> bool:
    """False if supervisord doesn't know the program."""
    try:
        daemon.call("startProcess", name, False)
    except supervisor_rpc.Fault as fault:
        if fault.faultCode == supervisor_rpc.BAD_NAME:
            return False
        if fault.faultCode != supervisor_rpc.ALREADY_STARTED:
            raise _refusal(fault) from None
    return True


def _add_group(daemon: supervisor_rpc.SupervisorClient, name: str) -> None:
    with _ignoring(supervisor_rpc.ALREADY_ADDED):
        daemon.call("addProcessGroup", name)
    with _ignoring(supervisor_rpc.ALREADY_STARTED):
        daemon.call("startProcess", name, False)


def remove(settings: HostSettings, names: list[str]) -> None:
    """Stops programs and removes them. Unknown names are ignored.

    All of them are signalled before any is waited for.
    """
    daemon = client(settings)
    for name in names:
        program_files.program_file(settings, name).unlink(missing_ok=True)
        _signal_stop(daemon, name)
    for name in names:
        _remove_group(daemon, name)
        for path in settings.logs.glob(f"{name}.log*"):
            path.unlink(missing_ok=True)
        program_files.launch_file(settings, name).unlink(missing_ok=True)


def _signal_stop(daemon: supervisor_rpc.SupervisorClient, name: str) -> None:
    """Doesn't wait for the program to end."""
    with _ignoring(supervisor_rpc.NOT_RUNNING, supervisor_rpc.BAD_NAME):
        daemon.call("stopProcess", name, False)


def _remove_group(daemon: supervisor_rpc.SupervisorClient, name: str) -> None:
    deadline = time.monotonic() + START_TIMEOUT
    while True:
        try:
            daemon.call("removeProcessGroup", name)
        except supervisor_rpc.Fault as fault:
            if fault.faultCode == supervisor_rpc.BAD_NAME:
                return
            if fault.faultCode != supervisor_rpc.STILL_RUNNING or time.monotonic() > deadline:
                raise TargetError(wording.stop_refused(name, fault.faultString)) from None
            # One that had just ended when it was signalled may have been restarted since.
            _signal_stop(daemon, name)
            time.sleep(0.02)
        else:
            return


def _reload(daemon: supervisor_rpc.SupervisorClient) -> None:
    try:
        daemon.call("reloadConfig")
    except supervisor_rpc.Fault as fault:
        raise TargetError(wording.programs_unreadable(fault.faultString)) from None


@contextlib.contextmanager
def _ignoring(*codes: int) -> Iterator[None]:
    """Any fault other than ``codes`` raises TargetError."""
    try:
        yield
    except supervisor_rpc.Fault as fault:
        if fault.faultCode not in codes:
            raise _refusal(fault) from None


def _refusal(fault: supervisor_rpc.Fault) -> TargetError:
    return TargetError(wording.refused(fault.faultString))


def info(settings: HostSettings, name: str) -> dict[str, Any]:
    """What supervisord reports about a program; empty if it doesn't know that name. A daemon that isn't running is
    started."""
    try:
        return running_info(settings, name)
    except OSError:
        return _info(client(settings), name)


def running_info(settings: HostSettings, name: str) -> dict[str, Any]:
    """As ``info``, but raises OSError when supervisord doesn't respond, and doesn't start one."""
    return _info(_running_client(settings), name)


def _info(daemon: supervisor_rpc.SupervisorClient, name: str) -> dict[str, Any]:
    try:
        found: dict[str, Any] = daemon.call("getProcessInfo", name)
    except supervisor_rpc.Fault as fault:
        if fault.faultCode == supervisor_rpc.BAD_NAME:
            return {}
        raise _refusal(fault) from None
    return found


@dataclass(frozen=True, slots=True)
class ProgramState:
    """``state`` as supervisord names it; ``stopped_at``: when the program last exited, in seconds since the epoch."""

    state: str
    stopped_at: int


def states(settings: HostSettings) -> Mapping[str, ProgramState]:
    """How all programs are, by name. Raises OSError when supervisord doesn't respond, and doesn't start one."""
    daemon = _running_client(settings)
    try:
        found = json.loads(daemon.call(supervisor_states.METHOD))
    except supervisor_rpc.Fault as fault:
        if fault.faultCode != supervisor_rpc.UNKNOWN_METHOD:
            raise
        # An earlier version of Eph started this supervisord.
        found = {info["name"]: (info["statename"], info["stop"]) for info in daemon.call("getAllProcessInfo")}
    return {name: ProgramState(*values) for name, values in found.items()}


def stop(settings: HostSettings) -> None:
    """Stops supervisord and everything it runs. The files stay, and ``ensure`` restarts it all."""
    with files.locked(home(settings) / "lock"):
        if is_answering(settings):
            with contextlib.suppress(OSError, supervisor_rpc.Fault):
                _running_client(settings).call("shutdown")
            deadline = time.monotonic() + START_TIMEOUT
            while time.monotonic() < deadline and any(_is_daemon(pid, settings) for pid in process_table.pids()):
                time.sleep(0.05)
        _remove_stale(settings)
        if not socket_path(settings).is_relative_to(settings.root):
            files.remove(socket_path(settings).parent)
