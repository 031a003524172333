"""Redis: an append-only file on disk, so a stopped or killed server loses nothing that it acknowledged.

Keys without a lifetime are never evicted: a job queue in a full server gets an error instead of losing jobs.
"""

from __future__ import annotations

import shlex
import socket

from programs.kit.server_engines.port import LOOPBACK, ServerCommand, ServerEngine, ServerSettings

_CONFIG = """\
bind {address}
port {port}
dir {folder}
appendonly yes
appendfsync everysec
save ""
maxmemory {memory}
maxmemory-policy volatile-lru
requirepass {password}
"""
_EVERYWHERE = "* -::*"
_MAX_REPLY = 200


def _command(program: str, server: ServerSettings) -> ServerCommand:
    """The configuration has the password, so Redis reads it from its standard input."""
    config = _CONFIG.format(
        address=LOOPBACK if server.host == LOOPBACK else _EVERYWHERE,
        port=server.port,
        folder=_quoted(server.folder),
        memory=server.memory_bytes,
        password=server.password,
    )
    script = f"umask 077\nexec {shlex.quote(program)} - <<EOF\n$SERVER_CONFIG\nEOF"
    return ServerCommand(script, {"SERVER_CONFIG": config})


def _quoted(text: str) -> str:
    """A word of Redis's configuration."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _url(server: ServerSettings) -> str:
    return f"redis://default:{server.password}@{server.host}:{server.port}/0"


def _answers(connection: socket.socket, server: ServerSettings) -> bool:
    """Redis also rejects PING while it still loads its data."""
    connection.sendall(f"AUTH {server.password}\r\nPING\r\n".encode())
    reply = b""
    while reply.count(b"\n") < 2 and len(reply) < _MAX_REPLY:
        part = connection.recv(_MAX_REPLY)
        if not part:
            return False
        reply += part
    return reply == b"+OK\r\n+PONG\r\n"


ENGINE = ServerEngine(
    name="redis",
    title="Redis",
    program="redis-server",
    package="redis-server",
    start_seconds=60,
    command=_command,
    url=_url,
    answers=_answers,
)
