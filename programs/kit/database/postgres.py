"""The PostgreSQL server shared by all environments of a root: embedded, or one that the operator runs.

supervisord runs the embedded server. It listens on a unix socket in our private folder, so nothing else can answer, and
the relay connects environments to it. It listens on a loopback port too if environments share this machine's network:
without a sandbox, and while one of an earlier version hasn't been updated. The administrator's password is in a file
that only we can read, and every session authenticates with SCRAM, which never sends a password. fsync is off: a power
loss may lose preview databases, which can be recreated. A killed server loses nothing, because every commit reaches the
kernel. ``session_guard`` ends sessions that use up what environments share.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import pwd
import secrets
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
from psycopg import conninfo, pq, sql

from programs.kit import files, waiting
from programs.kit.database import binaries, wording
from programs.kit.errors import TargetError
from programs.kit.host_settings import HostSettings
from programs.kit.isolation import limits
from programs.kit.processes import ports, program_files, sandbox, supervisor
from programs.kit.processes.sandbox import LaunchSpec

PROGRAM = "postgres"
ADMIN = "eph"
READY_SECONDS = 60.0
MAX_SOCKET_FOLDER = 80
"""Bytes; the kernel's limit for the path of a unix socket is 107, and PostgreSQL appends a name."""
LOOPBACK = "127.0.0.1"
AUTHENTICATION = "scram-sha-256"
MAX_SESSIONS = 300
ENVIRONMENT_SESSIONS = 280
"""What the relay opens at most. Sessions that aren't authenticated yet take slots of the administrator, too."""
PROCESS_MEMORY = 1024**3
"""Of one session, beyond what all share. PostgreSQL reports an error to the session and continues."""
OPTIONS = {
    "password_encryption": AUTHENTICATION,
    "fsync": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_connections": str(MAX_SESSIONS),
    "superuser_reserved_connections": "10",
    "authentication_timeout": "15s",
    "shared_buffers": "32MB",
    "autovacuum_naptime": "5min",
    "max_locks_per_transaction": "128",
    "temp_file_limit": "512MB",
    "log_min_messages": "fatal",
    "log_min_error_statement": "panic",
}


def ensure(settings: HostSettings) -> None:
    """Creates and starts the server if necessary. It accepts connections when this returns."""
    if settings.postgres or (_has_current_options(settings) and (_is_serving(settings) or _reachable(settings))):
        return
    with files.locked(_folder(settings) / "lock"):
        if not (_has_current_options(settings) and _reachable(settings)):
            _start(settings)


def exists(settings: HostSettings) -> bool:
    """Whether a server is configured or has been created. Without one there are no databases."""
    return bool(settings.postgres) or data_folder(settings).exists()


def _folder(settings: HostSettings) -> Path:
    return settings.root / "postgres"


def data_folder(settings: HostSettings) -> Path:
    """Of the embedded server."""
    return _folder(settings) / "data"


def _start(settings: HostSettings) -> None:
    fresh = not data_folder(settings).exists()
    if fresh:
        _initialize(settings)
    if not supervisor.info(settings, PROGRAM) or not _has_current_options(settings):
        supervisor.add(settings, _supervised_program(settings))
    if not waiting.wait_until(lambda: _reachable(settings), READY_SECONDS):
        lines = files.tail(program_files.log(settings, PROGRAM), 20)
        raise TargetError(wording.DID_NOT_START, lines)
    if fresh:
        with connect(settings) as session:
            for name in ("postgres", "template1"):
                execute(session, "REVOKE CONNECT ON DATABASE {} FROM PUBLIC", name)


def _initialize(settings: HostSettings) -> None:
    """Writes to a temporary folder and renames it, so a data folder is either complete or absent."""
    folder = _require_binaries()
    fresh = files.make_folder(_folder(settings)) / f"fresh-{uuid.uuid4().hex[:8]}"
    password = secrets.token_urlsafe(24)
    files.write(_folder(settings) / "password", password)
    words = [f"--auth={AUTHENTICATION}", "--encoding=UTF8", "--locale=C", "--no-sync", f"--username={ADMIN}"]
    argv = [str(folder / "initdb"), "-D", str(fresh), *words, f"--pwfile={_folder(settings) / 'password'}"]
    _chown(_folder(settings))
    line = sandbox.write_launch_file(_folder(settings) / "initdb.json", _launch(argv))
    _chown(_folder(settings))
    result = subprocess.run(line, stdin=subprocess.DEVNULL, capture_output=True, timeout=120, check=False)
    if result.returncode != 0:
        files.remove(fresh)
        output = (result.stdout + result.stderr).decode(errors="replace").splitlines()
        raise TargetError(wording.INITDB_FAILED, output[-10:])
    fresh.replace(data_folder(settings))


def _require_binaries() -> Path:
    folder = binaries.binaries_folder()
    if folder is None:
        raise TargetError(wording.NOT_INSTALLED)
    return folder


@functools.cache
def server_identity() -> str:
    """How the server avoids running as root, which PostgreSQL refuses."""
    if os.geteuid() != 0:
        return "same"
    trial = "import ctypes,sys; sys.exit(ctypes.CDLL(None).unshare(0x10000000) != 0)"
    if subprocess.run([sys.executable, "-I", "-S", "-c", trial], check=False).returncode == 0:
        return "namespace"
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            entry = pwd.getpwnam(name)
            return f"{entry.pw_uid}:{entry.pw_gid}"
    raise TargetError(wording.NO_OTHER_USER)


def _chown(folder: Path) -> None:
    """Gives the data folder to the user that the server runs as, if that is a different one."""
    identity = server_identity()
    if ":" in identity:
        user, _, group = identity.partition(":")
        for path in [folder, *folder.iterdir()]:
            os.chown(path, int(user), int(group))


def _launch(argv: list[str], pidfile: str = "") -> LaunchSpec:
    env = {"PATH": os.defpath, "LANG": "C", "TZ": "UTC"}
    return LaunchSpec(tuple(argv), env, "/", server_identity(), pidfile=pidfile, bounded=False)


def _supervised_program(settings: HostSettings) -> program_files.SupervisedProgram:
    argv = [str(_require_binaries() / "postgres"), "-D", str(data_folder(settings)), "-p", str(_port(settings))]
    options = {
        "listen_addresses": _listen_address(settings),
        "unix_socket_directories": socket_folder(settings),
        "unix_socket_permissions": "0700",
        **OPTIONS,
    }
    argv += [word for key, value in options.items() for word in ("-c", f"{key}={value}")]
    launch = replace(
        _launch(argv, str(data_folder(settings) / "postmaster.pid")),
        limits=limits.describe_server(settings, PROGRAM, PROCESS_MEMORY),
    )
    # SIGINT triggers PostgreSQL's fast shutdown; it stops its own children.
    return program_files.SupervisedProgram(PROGRAM, launch, wording.SHARED_BY_ALL, "INT", 15, group=False)


def _has_current_options(settings: HostSettings) -> bool:
    """False if the server was started with other options, as by an earlier version."""
    return _started_argv(settings) == [*_supervised_program(settings).launch.argv]


def _started_argv(settings: HostSettings) -> list[str]:
    try:
        argv: list[str] = json.loads(program_files.launch_file(settings, PROGRAM).read_text())["argv"]
    except (OSError, ValueError, KeyError):
        return []
    return argv


def _listen_address(settings: HostSettings) -> str:
    """Empty if no environment needs a port. Once closed, the port is opened only for the sandbox mode none."""
    if settings.sandbox == "none" or not socket_folder(settings):
        return LOOPBACK
    is_open = f"listen_addresses={LOOPBACK}" in _started_argv(settings)
    return LOOPBACK if is_open and _has_environment_without_domain(settings) else ""


def _has_environment_without_domain(settings: HostSettings) -> bool:
    folders = settings.envs.iterdir() if settings.envs.is_dir() else ()
    return any(not settings.domain_record(folder.name).exists() for folder in folders)


def socket_folder(settings: HostSettings) -> str:
    """The private folder of the server's unix socket; empty if its path is too long for one."""
    path = str(_folder(settings))
    return path if len(os.fsencode(path)) <= MAX_SOCKET_FOLDER else ""


def _host(settings: HostSettings) -> str:
    return socket_folder(settings) or LOOPBACK


def server_address(settings: HostSettings) -> tuple[str, int]:
    """The address at which we reach the server: a folder with its socket, or a host."""
    return address(settings) if settings.postgres else (_host(settings), _port(settings))


def _port(settings: HostSettings) -> int:
    return ports.reserve(settings, PROGRAM)


def address(settings: HostSettings) -> tuple[str, int]:
    """The address at which environments reach the server."""
    if settings.postgres:
        parts = conninfo.conninfo_to_dict(settings.postgres)
        return str(parts.get("host") or LOOPBACK), int(parts.get("port") or 5432)
    return LOOPBACK, _port(settings)


def client_sslmode(settings: HostSettings, session: psycopg.Connection[Any]) -> str:
    """The mode for environments' URLs. Drivers such as Go's lib/pq require TLS if the URL has none."""
    if not settings.postgres:
        return "disable"
    return "require" if session.pgconn.ssl_in_use else "disable"


def _is_serving(settings: HostSettings) -> bool:
    """Whether our own process accepts sessions. Cheaper than a session: a worker's first one takes 15 ms."""
    try:
        if supervisor.running_info(settings, PROGRAM).get("statename") != "RUNNING":
            return False
    except OSError:
        return False
    where = f"host='{_host(settings)}' port={_port(settings)} dbname=postgres user={ADMIN} sslmode=disable"
    where += " connect_timeout=10"
    return pq.PGconn.ping(where.encode()) == pq.Ping.OK


def _reachable(settings: HostSettings) -> bool:
    if not data_folder(settings).exists():
        return False
    try:
        with connect(settings):
            return True
    except psycopg.OperationalError:
        return False


@contextlib.contextmanager
def connect(settings: HostSettings, database: str = "") -> Iterator[psycopg.Connection[Any]]:
    """An administrator's session in autocommit mode."""
    if settings.postgres:
        where = _operators_server(settings.postgres, database)
        session = psycopg.connect(where, autocommit=True, connect_timeout=10)
    else:
        session = psycopg.connect(
            host=_host(settings),
            port=_port(settings),
            user=ADMIN,
            password=(_folder(settings) / "password").read_text(),
            dbname=database or "postgres",
            autocommit=True,
            connect_timeout=10,
            sslmode="disable",
            require_auth=AUTHENTICATION,
        )
    try:
        yield session
    finally:
        session.close()


def _operators_server(url: str, database: str) -> str:
    """With a password, its URL decides how to authenticate, or the server must prove that it knows the password."""
    given = conninfo.conninfo_to_dict(url)
    added = {"dbname": database} if database else {}
    if given.get("password") and "require_auth" not in given:
        added["require_auth"] = AUTHENTICATION
    return conninfo.make_conninfo(url, **added)


def execute(session: psycopg.Connection[Any], statement: str, *names: str, **values: str) -> None:
    """Executes a statement, quoting each ``{}`` as an identifier and each ``{name}`` as a literal."""
    parts = {name: sql.Literal(value) for name, value in values.items()}
    session.execute(sql.SQL(statement).format(*map(sql.Identifier, names), **parts))


def shutdown(settings: HostSettings) -> None:
    """Shuts the embedded server down cleanly, so the next start needs no recovery."""
    pid = supervisor.info(settings, PROGRAM).get("pid", 0) if supervisor.is_answering(settings) else 0
    if pid:
        os.kill(pid, signal.SIGINT)
