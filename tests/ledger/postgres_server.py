"""A real PostgreSQL for tests, and a connection to it that can be cut silently."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import psycopg

from orchestrator.demo.free_ports import free_port
from programs.kit.database import binaries, postgres
from programs.kit.processes import sandbox
from programs.kit.processes.sandbox import LaunchSpec

PASSWORD = "hunter2-secret"
OPTIONS = {
    **postgres.OPTIONS,
    "listen_addresses": postgres.LOOPBACK,
    "unix_socket_directories": "",
    "max_connections": "60",
}


class PostgresServer:
    """Killed by ``kill -9`` of all its processes, and restarted with the same folder and port."""

    def __init__(self, folder: Path) -> None:
        found = binaries.binaries_folder()
        assert found is not None, "these tests need PostgreSQL's server programs on PATH or in /usr/lib/postgresql"
        self._binaries = found
        self._folder = folder
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        (folder / "password").write_text(PASSWORD)
        words = ["--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-sync", "--username=eph"]
        line = self._command("initdb", "-D", str(folder / "data"), *words, f"--pwfile={folder / 'password'}")
        subprocess.run(line, check=True, capture_output=True, timeout=60)

    def _command(self, program: str, *words: str) -> list[str]:
        identity = "namespace" if os.geteuid() == 0 else "same"
        argv = (str(self._binaries / program), *words)
        return sandbox.write_launch_file(
            self._folder / f"{program}.json", LaunchSpec(argv, {"LANG": "C", "TZ": "UTC"}, "/", identity)
        )

    def start(self) -> None:
        options = [word for key, value in OPTIONS.items() for word in ("-c", f"{key}={value}")]
        line = self._command("postgres", "-D", str(self._folder / "data"), "-p", str(self.port), *options)
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            if self._process is None or self._process.poll() is not None:
                with (self._folder / "log").open("ab") as log:
                    self._process = subprocess.Popen(line, stdout=log, stderr=log, start_new_session=True)
            with suppress(psycopg.OperationalError), self.session():
                return
            time.sleep(0.05)
        raise AssertionError((self._folder / "log").read_text()[-2000:])

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)
        assert self._process is not None
        self._process.wait()

    def send_signal(self, number: int) -> None:
        assert self._process is not None
        with suppress(ProcessLookupError, psutil.NoSuchProcess):  # it was killed before
            for pid in self._pids():
                os.kill(pid, number)

    def _pids(self) -> list[int]:
        """The server's own processes, and those that serve clients, which lead their own sessions."""
        assert self._process is not None
        first = psutil.Process(self._process.pid)
        return [first.pid, *(child.pid for child in first.children())]

    @contextmanager
    def session(self, database: str = "postgres") -> Iterator[psycopg.Connection[tuple[object, ...]]]:
        with psycopg.connect(self._conninfo(database), autocommit=True, connect_timeout=5) as connection:
            yield connection

    def _conninfo(self, database: str) -> str:
        return f"host=127.0.0.1 port={self.port} user=eph password={PASSWORD} dbname={database}"

    def create_database(self) -> str:
        name = f"d{uuid.uuid4().hex[:12]}"
        with self.session() as session:
            session.execute(f'CREATE DATABASE "{name}"'.encode())
        return name

    def url(self, database: str, port: int = 0) -> str:
        return f"postgresql://eph:{PASSWORD}@127.0.0.1:{port or self.port}/{database}"


@contextmanager
def running_server() -> Iterator[PostgresServer]:
    folder = Path(tempfile.mkdtemp(prefix="eph-ledger-"))
    try:
        made = PostgresServer(folder)
        made.start()
        try:
            yield made
        finally:
            made.kill()
    finally:
        shutil.rmtree(folder)


class CuttableProxy:
    """A proxy in front of a server. ``cut`` drops traffic without telling either side; ``restore`` ends that."""

    def __init__(self, port: int) -> None:
        self._upstream_port = port
        self._open = threading.Event()
        self._open.set()
        self._closed = False
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._threads: list[threading.Thread] = []
        self._sockets: list[socket.socket] = []
        self._run_thread(self._accept)

    def _run_thread(self, work: Callable[..., None], *args: socket.socket) -> None:
        self._threads.append(threading.Thread(target=work, args=args, daemon=True))
        self._threads[-1].start()

    def cut(self) -> None:
        self._open.clear()

    def restore(self) -> None:
        self._open.set()

    def close(self) -> None:
        self._closed = True
        self._open.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._threads[0].join()
        for each in self._sockets:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        for each in [self._listener, *self._sockets]:
            each.close()

    def _accept(self) -> None:
        while not self._closed:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            self._sockets.append(near)
            self._open.wait()
            with suppress(OSError):
                far = socket.create_connection(("127.0.0.1", self._upstream_port))
                self._sockets.append(far)
                self._run_thread(self._forward, near, far)
                self._run_thread(self._forward, far, near)

    def _forward(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                self._open.wait()
                sink.sendall(data)
        self._open.wait()
        with suppress(OSError):
            sink.shutdown(socket.SHUT_RDWR)


@contextmanager
def cuttable_proxy(port: int) -> Iterator[CuttableProxy]:
    made = CuttableProxy(port)
    try:
        yield made
    finally:
        made.close()
