"""MySQL's protocol, served by MariaDB, which Debian packages. Its storage survives a kill at any moment.

The password is set by statements that the server runs before it accepts connections, each time it starts. The account
may do everything, because the server belongs to its environment alone: frameworks create a second database for tests.
"""

from __future__ import annotations

import re
import shlex
import socket

from programs.kit.server_engines.port import LOOPBACK, ServerCommand, ServerEngine, ServerSettings

ACCOUNT = "app"
_STATEMENTS = """\
CREATE DATABASE IF NOT EXISTS `{database}` CHARACTER SET utf8mb4;
CREATE USER IF NOT EXISTS '{account}'@'%' IDENTIFIED BY '{password}';
ALTER USER '{account}'@'%' IDENTIFIED BY '{password}';
GRANT ALL PRIVILEGES ON *.* TO '{account}'@'%' WITH GRANT OPTION;
"""
_SCRIPT = """\
umask 077
PATH="$PATH:/usr/sbin:/sbin"
if [ ! -d data ]; then
  rm -rf fresh
  mariadb-install-db --no-defaults --datadir="$PWD/fresh" --skip-test-db --skip-name-resolve \\
    --auth-root-authentication-method=socket >install.log 2>&1 || { cat install.log; sleep 1; exit 1; }
  mv fresh data
fi
printf '%s' "$SERVER_STATEMENTS" >statements.sql
unset SERVER_STATEMENTS
"""
_OPTIONS = (
    "--no-defaults",
    "--socket=server.sock",  # relative to the data, because the kernel limits its length
    "--pid-file=server.pid",
    "--skip-name-resolve",
    "--skip-log-bin",
    "--performance-schema=OFF",
    "--innodb-use-native-aio=OFF",
    "--innodb-log-file-size=32M",
    "--character-set-server=utf8mb4",
    "--log-warnings=1",
)
_PROTOCOL = 10


def _command(program: str, server: ServerSettings) -> ServerCommand:
    options = [
        *_OPTIONS,
        f"--bind-address={LOOPBACK if server.host == LOOPBACK else '*'}",
        f"--port={server.port}",
        f"--datadir={server.folder}/data",
        f"--init-file={server.folder}/statements.sql",
        f"--innodb-buffer-pool-size={server.memory_bytes // 2}",
    ]
    statements = _STATEMENTS.format(database=_database(server), account=ACCOUNT, password=server.password)
    script = f"{_SCRIPT}exec {shlex.join([program, *options])}"
    return ServerCommand(script, {"SERVER_STATEMENTS": statements})


def _database(server: ServerSettings) -> str:
    return re.sub(r"[^a-z0-9]", "_", server.name)


def _url(server: ServerSettings) -> str:
    return f"mysql://{ACCOUNT}:{server.password}@{server.host}:{server.port}/{_database(server)}"


def _answers(connection: socket.socket, server: ServerSettings) -> bool:  # noqa: ARG001 - it greets before a client authenticates
    """The first packet: its length in three bytes, its number, and the version of the protocol."""
    greeting = b""
    while len(greeting) < 5:
        part = connection.recv(5 - len(greeting))
        if not part:
            return False
        greeting += part
    return greeting[3:] == bytes([0, _PROTOCOL])


ENGINE = ServerEngine(
    name="mysql",
    title="MariaDB",
    program="mariadbd",
    package="mariadb-server-core",
    start_seconds=120,
    command=_command,
    url=_url,
    answers=_answers,
)
