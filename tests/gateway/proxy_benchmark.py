"""Compares the gateway with nginx and Caddy in front of the same upstream: ``python -m tests.gateway.proxy_benchmark``.

The upstream is nginx with a small file: so fast that only the proxy matters. wrk requests them in turns, for several
rounds, and the median counts: other load on the machine affects them all alike. Rates are compared at 16 connections;
what the gateway adds is its p50 at one connection minus the upstream's, without queueing. ``python -m
tests.gateway.proxy_benchmark profile`` requests only the gateway, and prints where its time is spent.
"""

from __future__ import annotations

import asyncio
import contextlib
import cProfile
import json
import os
import pstats
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from yarl import URL

from orchestrator.config import file_names
from orchestrator.demo.free_ports import free_port
from orchestrator.gateway.gateway_server import GatewaySettings
from orchestrator.gateway.serve import Address, running_gateway
from tests.bench.rows import Figure, Row

HOST = "shop-gentle-stream-42.localhost"
ROUNDS = int(os.environ.get("EPH_MEASURE_ROUNDS", "3"))
SECONDS = 2
CONNECTIONS = 16
MIN_RATIO = 0.25
MAX_P50_MS = 3.0
_PATH = f"{os.environ.get('PATH', '')}:/usr/sbin"
_NGINX = """daemon off; worker_processes 1; pid {home}/{name}.pid; error_log {home}/{name}.log crit;
events {{ worker_connections 512; }}
http {{ access_log off; keepalive_requests 1000000000; client_body_temp_path {home}/b; proxy_temp_path {home}/p;
fastcgi_temp_path {home}/f; uwsgi_temp_path {home}/u; scgi_temp_path {home}/s;
upstream up {{ server 127.0.0.1:{upstream}; keepalive 64; }}
server {{ listen 127.0.0.1:{port}; location / {{ {what} }} }} }}
"""
_SERVE_CONFIG = "root {home}/www;"
_PROXY_CONFIG = (
    'proxy_pass http://up; proxy_http_version 1.1; proxy_set_header Connection "";'
    "proxy_set_header Host $host; proxy_set_header X-Forwarded-For $remote_addr; proxy_buffering off;"
)


@dataclass(frozen=True, slots=True)
class Results:
    """Responses per second by proxy at 16 connections, p50 in ms at one."""

    rates: Mapping[str, float]
    p50s: Mapping[str, float]


async def throughput() -> Row:
    found = await asyncio.to_thread(measure)
    others = [name for name in ("caddy", "nginx") if name in found.rates]
    ratios = {name: found.rates["gateway"] / found.rates[name] for name in others}
    # The budget is relative to Caddy or nginx: the first one installed; the other is only reported.
    figure = Figure("ratio", ratios[others[0]], MIN_RATIO, at_least=True)
    theirs = ", ".join(f"{name} {found.rates[name]:,.0f}/s (ratio {ratios[name]:.2f})" for name in others)
    return Row("gateway-throughput", (figure,), f"gateway {found.rates['gateway']:,.0f}/s", theirs)


async def p50() -> Row:
    found = await asyncio.to_thread(measure)
    added = found.p50s["gateway"] - found.p50s["upstream"]
    told = ", ".join(f"{name} {value:.2f} ms" for name, value in found.p50s.items() if name != "gateway")
    return Row("gateway-p50", (Figure("added ms", added, MAX_P50_MS),), f"gateway {found.p50s['gateway']:.2f} ms", told)


@cache
def measure() -> Results:
    """Takes about a minute, once."""
    absent = [name for name in ("nginx", "wrk") if shutil.which(name, path=_PATH) is None]
    if absent:
        raise SystemExit(f"{' and '.join(absent)} must be installed (apt-get install {' '.join(absent)})")
    with tempfile.TemporaryDirectory(prefix="eph-measure-") as folder, contextlib.ExitStack() as stack:
        ports = _start_all(Path(folder), stack)
        rates: dict[str, list[float]] = {name: [] for name in ports}
        p50s: dict[str, list[float]] = {name: [] for name in ports}
        for name, port in [*ports.items()] * ROUNDS:
            rates[name].append(_run_wrk(port, CONNECTIONS)[0])
            p50s[name].append(_run_wrk(port, 1)[1])
    return Results(*({name: statistics.median(values) for name, values in by.items()} for by in (rates, p50s)))


def _start_all(home: Path, stack: contextlib.ExitStack) -> dict[str, int]:
    ports = {"upstream": _upstream(home, stack), "gateway": free_port()}
    stack.enter_context(_running(_gateway(home, ports["upstream"], ports["gateway"]), ports["gateway"]))
    ports["nginx"] = _nginx(home, stack, "nginx", ports["upstream"], _PROXY_CONFIG)
    caddy = shutil.which("caddy", path=_PATH)
    if caddy:
        ports["caddy"] = free_port()
        command = [
            caddy,
            "reverse-proxy",
            "--from",
            f"http://:{ports['caddy']}",
            "--to",
            f"127.0.0.1:{ports['upstream']}",
        ]
        stack.enter_context(_running(command, ports["caddy"], {"HOME": str(home), "XDG_DATA_HOME": str(home)}))
    return ports


def _upstream(home: Path, stack: contextlib.ExitStack) -> int:
    (home / "www").mkdir()
    (home / "www" / "index.html").write_text("<p>hello</p>\n" * 40)
    # Its worker belongs to another user if we are root.
    home.chmod(0o755)
    return _nginx(home, stack, "upstream", 9, _SERVE_CONFIG.format(home=home))


def _nginx(home: Path, stack: contextlib.ExitStack, name: str, upstream: int, location_config: str) -> int:
    port = free_port()
    file = home / f"{name}.conf"
    file.write_text(_NGINX.format(home=home, name=name, upstream=upstream, port=port, what=location_config))
    program = shutil.which("nginx", path=_PATH) or "nginx"
    stack.enter_context(_running([program, "-c", str(file), "-e", str(home / f"{name}.log")], port))
    return port


def _gateway(home: Path, upstream: int, port: int) -> list[str]:
    (home / "routes").mkdir()
    (home / file_names.PREVIEW_STATES).write_text(json.dumps({"hosts": {HOST: {"phase": "ready"}}}))
    route = {"host": HOST, "upstream": f"http://127.0.0.1:{upstream}", "environment": "e", "service": "web"}
    (home / "routes" / f"{HOST}.json").write_text(json.dumps(route))
    return [sys.executable, "-m", "orchestrator.gateway", "--listen", f"127.0.0.1:{port}", "--directory", str(home)]


@contextlib.contextmanager
def _running(command: list[str], port: int, env: Mapping[str, str] | None = None) -> Iterator[None]:
    quiet = subprocess.DEVNULL
    process = subprocess.Popen(command, stdin=quiet, stdout=quiet, stderr=quiet, env={**os.environ, **(env or {})})
    try:
        _wait_until_ready(port, process)
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


def _wait_until_ready(port: int, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + 20
    while time.monotonic() < end and process.poll() is None:
        request = urllib.request.Request(f"http://127.0.0.1:{port}/", headers={"Host": HOST})
        with contextlib.suppress(OSError), urllib.request.urlopen(request, timeout=5):
            return
        time.sleep(0.05)
    raise SystemExit(f"{process.args!r} does not answer")


def _run_wrk(port: int, connections: int) -> tuple[float, float]:
    """Responses per second, and the median in milliseconds."""
    command = ["wrk", "-t1", f"-c{connections}", f"-d{SECONDS}s", "--latency", "-H", f"Host: {HOST}"]
    said = subprocess.run([*command, f"http://127.0.0.1:{port}/"], check=True, capture_output=True, text=True).stdout
    rate, median = re.search(r"Requests/sec:\s+([\d.]+)", said), re.search(r"50%\s+([\d.]+)(us|ms|s)", said)
    if rate is None or median is None or "Non-2xx" in said or "Socket errors" in said:
        raise SystemExit(f"wrk says:\n{said}")
    return float(rate[1]), float(median[1]) * {"us": 0.001, "ms": 1.0, "s": 1000.0}[median[2]]


def profile() -> None:
    """The gateway in this process, requested by wrk for a few seconds."""

    async def serve(home: Path, port: int) -> None:
        async with running_gateway(
            Address("127.0.0.1", port), GatewaySettings("localhost", URL("http://127.0.0.1:1")), home
        ):
            print("answers a second, profiled:", (await asyncio.to_thread(_run_wrk, port, CONNECTIONS))[0])

    with tempfile.TemporaryDirectory(prefix="eph-measure-") as folder, contextlib.ExitStack() as stack:
        port = free_port()
        _gateway(Path(folder), _upstream(Path(folder), stack), port)
        profiler = cProfile.Profile()
        profiler.runcall(asyncio.run, serve(Path(folder), port))
        pstats.Stats(profiler).sort_stats("tottime").print_stats(40)


def main() -> None:
    if sys.argv[1:] == ["profile"]:
        profile()
        return
    for row in (asyncio.run(throughput()), asyncio.run(p50())):
        print(row.line(), row.ours, row.theirs, sep="\n  ")


if __name__ == "__main__":
    main()
