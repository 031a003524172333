"""One supervisord for each root: it outlives us, and everything it runs dies with it.

It is a daemon in a session of its own, so neither Ctrl-C nor a kill of ephd or of a worker reaches it. What it should
run lies in files beside it, so a new one, after a kill or a restart of the machine, brings everything back. Its
children ask the kernel to end them with it (``launch.py``), so a new one finds no old ones. That it answers on the
socket in our own folder is the proof that it is ours.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import os
import resource
import shlex
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from programs.local import files, processes, rpc, sandbox
from programs.local.errors import LocalError
from programs.local.sandbox import Launch
from programs.local.settings import Settings

SOCKET_MOST = 100
"""The kernel's limit for the path of a unix socket is 107 bytes; supervisord adds a suffix while it binds."""
START_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Entry:
    """A program for supervisord. ``note`` is kept in its file, for whoever finds that file."""

    name: str
    launch: Launch
    note: str
    stop_signal: str = "TERM"
    stop_seconds: int = 3
    group: bool = True


def home(settings: Settings) -> Path:
    return settings.root / "supervisor"


def config(settings: Settings) -> Path:
    return home(settings) / "supervisord.conf"


def socket_path(settings: Settings) -> Path:
    """In our own folder; in a short one that only we can enter when that path is too long."""
    path = home(settings) / "rpc.sock"
    if len(os.fsencode(path)) <= SOCKET_MOST - 20:
        return path
    digest = hashlib.sha256(os.fsencode(settings.root)).hexdigest()[:12]
    return _short() / f"eph-{os.getuid()}-{digest}" / "rpc.sock"


def _short() -> Path:
    """The same for every process of ours: an operation has a folder of its own for what is temporary."""
    places = [Path("/run"), Path(f"/run/user/{os.getuid()}"), Path("/tmp")]  # noqa: S108 - checked by _clear
    return next((place for place in places if os.access(place, os.W_OK)), places[-1])


def answers(settings: Settings) -> bool:
    try:
        rpc.Daemon(socket_path(settings)).call("getState")
    except (OSError, rpc.Fault):
        return False
    return True


def ensure(settings: Settings) -> None:
    """Starts it unless it answers; of several at once, one starts it."""
    if answers(settings):
        return
    with files.locked(home(settings) / "lock"):
        if not answers(settings):
            _start(settings)


def client(settings: Settings) -> rpc.Daemon:
    """The daemon's interface; started first when it is not there."""
    ensure(settings)
    return rpc.Daemon(socket_path(settings))


def _start(settings: Settings) -> None:
    _clear(settings)
    files.folder(settings.programs)
    files.folder(settings.logs)
    files.write(config(settings), _config(settings))
    result = subprocess.run(
        [sys.executable, "-I", "-m", "supervisor.supervisord", "-c", str(config(settings))],
        env={"PATH": os.environ.get("PATH", os.defpath), "LANG": "C.UTF-8"},
        cwd="/",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
        timeout=START_SECONDS,
        check=False,
    )
    deadline = time.monotonic() + START_SECONDS
    while result.returncode == 0 and time.monotonic() < deadline:
        if answers(settings):
            return
        time.sleep(0.02)
    said = result.stderr.decode(errors="replace").splitlines() or files.tail(home(settings) / "supervisord.log", 10)
    raise LocalError(f"supervisord did not start in {home(settings)}", said[-10:])


def _clear(settings: Settings) -> None:
    """Ends one that is alive but deaf, and what a killed one left on disk."""
    processes.end([pid for pid in processes.mentioning(str(config(settings))) if _is_daemon(pid, settings)])
    socket = socket_path(settings)
    files.folder(socket.parent)
    if socket.parent.stat().st_uid != os.geteuid() or socket.parent.is_symlink():
        raise LocalError(f"{socket.parent} belongs to somebody else; remove it, or choose a shorter root")
    socket.unlink(missing_ok=True)


def _is_daemon(pid: int, settings: Settings) -> bool:
    return f"supervisor.supervisord -c {config(settings)}" in processes.command(pid)


def _config(settings: Settings) -> str:
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
        "[include]\nfiles=programs/*.conf\n"
    )


def _escape(text: str) -> str:
    return text.replace("%", "%%")


def conf(settings: Settings, name: str) -> Path:
    return settings.programs / f"{name}.conf"


def _launch_file(settings: Settings, name: str) -> Path:
    return settings.launches / f"{name}.json"


def log(settings: Settings, name: str) -> Path:
    # Beside supervisord, not with the environment: it refuses every program when one log has no folder.
    return settings.logs / f"{name}.log"


_AUTOSTART = ("autostart=false", "autostart=true")


def _program(settings: Settings, entry: Entry, argv: list[str]) -> str:
    group = "true" if entry.group else "false"
    return (
        f"; {entry.note}\n[program:{entry.name}]\n"
        f"command={_escape(shlex.join(argv))}\ndirectory=/\n"
        # Retries wait one second longer each time; a thousand of them are more than five days.
        "autostart=true\nautorestart=true\nstartsecs=2\nstartretries=1000\n"
        f"stopsignal={entry.stop_signal}\nstopwaitsecs={entry.stop_seconds}\nstopasgroup={group}\nkillasgroup=true\n"
        f"redirect_stderr=true\nstdout_logfile={_escape(str(log(settings, entry.name)))}\n"
        f"stdout_logfile_maxbytes={settings.log_bytes}\nstdout_logfile_backups=1\n"
    )


def add(settings: Settings, entry: Entry) -> None:
    """Starts a program; one of that name that an earlier try left is replaced."""
    remove(settings, [entry.name])
    launch = dataclasses.replace(entry.launch, parent=str(config(settings)))
    argv = sandbox.save(_launch_file(settings, entry.name), launch)
    files.write(conf(settings, entry.name), _program(settings, entry, argv))
    daemon = client(settings)
    _reload(daemon)
    with _tolerating(rpc.ALREADY_ADDED):
        daemon.call("addProcessGroup", entry.name)
    with _tolerating(rpc.ALREADY_STARTED):
        daemon.call("startProcess", entry.name, False)


def rest(settings: Settings, names: list[str]) -> None:
    """Ends programs and keeps them: a supervisor that is started anew does not start them. Returns when all ended."""
    daemon = client(settings)
    for name in names:
        _set_autostart(settings, name, on=False)
        with _tolerating(rpc.NOT_RUNNING, rpc.BAD_NAME):
            daemon.call("stopProcess", name, False)
    deadline = time.monotonic() + START_SECONDS
    while running := {info["name"] for info in daemon.call("getAllProcessInfo") if info["pid"]}.intersection(names):
        if time.monotonic() > deadline:
            raise LocalError(f"the process {min(running)} could not be ended")
        time.sleep(0.02)


def resume(settings: Settings, names: list[str]) -> None:
    """Starts programs that rest; those that run go on."""
    daemon = client(settings)
    _reload(daemon)
    for name in names:
        _set_autostart(settings, name, on=True)
        with _tolerating(rpc.ALREADY_ADDED):
            daemon.call("addProcessGroup", name)
        with _tolerating(rpc.ALREADY_STARTED):
            daemon.call("startProcess", name, False)


def note(settings: Settings, name: str) -> str:
    """What was noted of a program when it was added."""
    return conf(settings, name).read_text().partition("\n")[0].removeprefix("; ")


def _set_autostart(settings: Settings, name: str, on: bool) -> None:
    path = conf(settings, name)
    text = path.read_text()
    wanted = text.replace(f"\n{_AUTOSTART[not on]}\n", f"\n{_AUTOSTART[on]}\n", 1)
    if wanted != text:
        files.write(path, wanted)


def remove(settings: Settings, names: list[str]) -> None:
    """Ends programs and forgets them; a name that nobody knows is already what was asked for.

    All are asked to stop before any is waited for.
    """
    daemon = client(settings)
    known = {info["name"] for info in daemon.call("getAllProcessInfo")}
    for name in names:
        conf(settings, name).unlink(missing_ok=True)
        if name in known:
            with _tolerating(rpc.NOT_RUNNING, rpc.BAD_NAME):
                daemon.call("stopProcess", name, False)
    for name in names:
        if name in known:
            _forget(daemon, name)
        for path in settings.logs.glob(f"{name}.log*"):
            path.unlink(missing_ok=True)
        _launch_file(settings, name).unlink(missing_ok=True)


def _forget(daemon: rpc.Daemon, name: str) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            daemon.call("removeProcessGroup", name)
        except rpc.Fault as fault:
            if fault.faultCode == rpc.BAD_NAME:
                return
            if fault.faultCode != rpc.STILL_RUNNING or time.monotonic() > deadline:
                raise LocalError(f"the process {name} could not be ended: {fault.faultString}") from None
            time.sleep(0.02)
        else:
            return


def _reload(daemon: rpc.Daemon) -> None:
    try:
        daemon.call("reloadConfig")
    except rpc.Fault as fault:
        raise LocalError(f"supervisord cannot read its programs: {fault.faultString}") from None


@contextlib.contextmanager
def _tolerating(*codes: int) -> Any:
    try:
        yield
    except rpc.Fault as fault:
        if fault.faultCode not in codes:
            raise LocalError(f"supervisord refused: {fault.faultString}") from None


def info(settings: Settings, name: str) -> dict[str, Any]:
    """What supervisord knows of a program; empty when it knows none of that name."""
    try:
        found: dict[str, Any] = client(settings).call("getProcessInfo", name)
    except rpc.Fault as fault:
        if fault.faultCode == rpc.BAD_NAME:
            return {}
        raise LocalError(f"supervisord refused: {fault.faultString}") from None
    return found


def programs(settings: Settings) -> list[str]:
    """The names of all programs on disk, running or not."""
    return sorted(path.stem for path in settings.programs.glob("*.conf"))


def stop(settings: Settings) -> None:
    """Ends it and everything it runs; what is on disk stays, and ``ensure`` brings it back."""
    with files.locked(home(settings) / "lock"):
        if answers(settings):
            with contextlib.suppress(OSError, rpc.Fault):
                rpc.Daemon(socket_path(settings)).call("shutdown")
            deadline = time.monotonic() + START_SECONDS
            while time.monotonic() < deadline and any(_is_daemon(pid, settings) for pid in processes.pids()):
                time.sleep(0.05)
        _clear(settings)
        if not socket_path(settings).is_relative_to(settings.root):
            files.remove(socket_path(settings).parent)
