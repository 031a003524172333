"""Code in an environment of the target local that tries to leave its sandbox."""

from __future__ import annotations

import asyncio
import os
import re
import socket
import ssl
import tempfile
from collections.abc import Callable
from pathlib import Path

from orchestrator.demo import demo_world
from programs.kit.isolation import public_urls
from programs.kit.processes import process_table
from tests.attack.arena import SHOP_YAML, Arena, lines
from tests.attack.attack import Family, Missing, NotTried
from tests.targets import ambiguous_requests, escapes, own_public_address, suite_front

FAMILY = Family("sandbox")
CONNECTED = "a connection opens"
CONNECT = """
import socket
from collections.abc import Callable
try:
    socket.create_connection({target!r}, 3)
    print("REACHED")
except OSError as error:
    print("blocked", error)
"""
READ = """
from pathlib import Path
try:
    path = Path({path!r})
    print("READ", sorted(path.iterdir())[:20] if path.is_dir() else path.read_bytes()[:200])
except OSError as error:
    print("refused", error)
"""


def connect(arena: Arena, host: str, port: int) -> str:
    return "\n".join(lines(arena.run_code(CONNECT.format(target=(host, port))), "REACHED"))


@FAMILY.each(
    "S3",
    "connect to {}",
    CONNECTED,
    {
        "a metadata endpoint": ("169.254.169.254", 80),
        "a private address": ("10.0.0.1", 80),
        "a public address past the proxy": ("192.0.2.1", 80),
        "the machine's SSH port": ("127.0.0.1", 22),
    },
)
def connect_outside(arena: Arena, target: tuple[str, int]) -> str:
    return connect(arena, *target)


PORTS: dict[str, Callable[[Arena], int]] = {
    "Eph's API": lambda arena: arena.site.api_port,
    "the Git host": lambda arena: int(arena.site.forge.url.rpartition(":")[2]),
}


@FAMILY.each("S3", "connect to {} on the machine's loopback", CONNECTED, {name: name for name in PORTS})
def connect_loopback(arena: Arena, name: str) -> str:
    port = PORTS[name](arena)
    with socket.create_connection(("127.0.0.1", port), 5):  # it can be reached from the machine
        return connect(arena, "127.0.0.1", port)


@FAMILY.attack("S3", "connect to another address of the machine", CONNECTED)
def connect_own_address(arena: Arena) -> str:
    with socket.create_server(("0.0.0.0", 0)) as server:
        return connect(arena, escapes.own_address(), server.getsockname()[1])


@FAMILY.attack("S3", "connect to an abstract unix socket of the machine", CONNECTED)
def abstract_socket(arena: Arena) -> str:
    name = f"eph-attack-{os.getpid()}"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(f"\0{name}")
        server.listen()
        code = f"import socket; print('code', socket.socket(socket.AF_UNIX).connect_ex(chr(0) + {name!r}))"
        return "\n".join(line for line in lines(arena.run_code(code), "code") if line == "code 0")


@FAMILY.each(
    "S3",
    "reach {} through the proxy",
    "the proxy connects",
    {name: name for name in (*escapes.PRIVATE_NAMES, "own address")},
)
def proxy(arena: Arena, name: str) -> str:
    name = escapes.own_address() if name == "own address" else name
    with socket.create_server(("0.0.0.0", 0)) as server:
        output = arena.run_code(escapes.proxy_requests([name], server.getsockname()[1]))
    if output.strip() not in ("200", "403"):
        raise NotTried(f"the proxy said {output!r}")
    return name if output.strip() == "200" else ""


@FAMILY.attack("S3", "reach a public address of the machine through the proxy", "the proxy connects")
def proxy_public_address(_: Arena) -> str:
    """In a network namespace with such an address: the machine that runs this may have private ones only."""
    address = own_public_address.ADDRESS
    refused = own_public_address.statuses(address, *own_public_address.OTHER_FORMS)
    if own_public_address.statuses(address, allow=f"{address}/32") != ["200"]:
        raise NotTried("the address can't be reached even if it's allowed")
    return "" if set(refused) == {"403"} else str(refused)


@FAMILY.each("S3", "send {} to the proxy", "the proxy accepts the request", ambiguous_requests.SMUGGLED)
def smuggle(arena: Arena, data: bytes) -> str:
    status = arena.run_code(escapes.raw_proxy_request(data)).strip()
    return "" if status == "400" else status


@FAMILY.each(
    "S3",
    "request {} at the address of its own URLs",
    "another's page",
    {
        "the victim's host": lambda arena: arena.victim.host,
        "the dashboard": lambda _: "localhost",
        "a host with a path": lambda arena: f"{arena.victim.host}/../x",
    },
)
def own_urls(arena: Arena, host: Callable[[Arena], str]) -> str:
    code = f"""
import http.client
made = http.client.HTTPConnection("127.0.0.1", {arena.site.gateway_port}, timeout=5)
made.request("GET", "/", headers={{"Host": {host(arena)!r}}})
print("status", made.getresponse().status)
"""
    try:
        output = arena.run_code(code)
    except NotTried as error:
        if "ConnectionRefused" in str(error):
            return ""
        raise
    return "" if "status 2" not in output else output


SERVER_NAMES = {"another preview": "other-2.localhost", "Eph itself": "eph.localhost", "no server": None}


@FAMILY.each("S3 P4", "name {} in a suite's TLS connection to its own URLs", "the connection opens", SERVER_NAMES)
def suite_by_tls(_: Arena, name: str | None) -> str:
    """Through the relay of targets whose environments are elsewhere. Its front has a certificate for all previews."""
    if _answer_by_tls(suite_front.HOST) != suite_front.OK:
        raise NotTried("the suite doesn't reach its own URL")
    return "the front answered" if _answer_by_tls(name) == suite_front.OK else ""


def _answer_by_tls(name: str | None) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        public_urls.write_hosts(Path(folder), [suite_front.HOST])
        front, version = suite_front.Front(), ssl.TLSVersion.TLSv1_3
        return asyncio.run(suite_front.exchange_by_tls(Path(folder), front, name, version))


SYSTEM_CALLS = {name: code for name, code in escapes.SYSTEM_CALLS.items() if name != "home of root"}
"""Python's own folder may be there, so reading that home is an attack of its own."""


@FAMILY.each("S3", "{}", "the call works", SYSTEM_CALLS)
def system_call(arena: Arena, code: str) -> str:
    found = arena.run_code(code).strip()
    return "" if found == "-1" else found


FILES: dict[str, Callable[[Arena], Path]] = {
    "Eph's keys": lambda arena: arena.site.eph_home / "keys",
    "the API's token": lambda arena: arena.site.eph_home / "keys" / "api.token",
    "the Git host's token": lambda arena: arena.site.token,
    "the webhook secret": lambda arena: arena.site.secret,
    "the settings": lambda arena: arena.site.home / "eph.toml",
    "the backend's state": lambda arena: arena.site.eph_home / "backend",
    "a neighbour's files": lambda arena: arena.site.eph_home / "local" / "envs" / arena.victim.name,
    "the routes": lambda arena: arena.site.eph_home / "gateway" / "routes",
    "the database's socket": lambda arena: arena.site.eph_home / "local" / "postgres",
    "the shadow file": lambda _: Path("/etc/shadow"),
    "the environment of process 1": lambda _: Path("/proc/1/environ"),
    "kernel messages": lambda _: Path("/dev/kmsg"),
    "physical memory": lambda _: Path("/dev/mem"),
    "disks": lambda _: Path("/dev/disk"),
    "keys of the machine's TLS": lambda _: Path("/etc/ssl/private"),
    "root's home": lambda _: Path("/root"),
    "control groups": lambda _: Path("/sys/fs/cgroup"),
}


@FAMILY.each("S3 S4", "read {}", "something is read", {name: name for name in FILES})
def read(arena: Arena, name: str) -> str:
    path = FILES[name](arena)
    found = "\n".join(lines(arena.run_code(READ.format(path=str(path))), "READ"))
    if name == "the environment of process 1":
        return found if "EPH_" in found or "PULUMI" in found else ""
    shown = [str(path) for path in map(Path, demo_world.python_prefixes()) for path in (path, *path.parents)]
    names = re.findall(r"PosixPath\('([^']*)'\)", found)
    return "" if found.startswith("READ [") and set(names) <= set(shown) else found


@FAMILY.attack("S4", "read the environments of all visible processes", "a variable of Eph's own")
def environments(arena: Arena) -> str:
    code = """
import glob
for path in glob.glob("/proc/[0-9]*/environ"):
    try:
        print(open(path, errors="replace").read())
    except OSError:
        pass
"""
    output = arena.run_code(code)
    if "EPH_COMMIT=" not in output:
        raise NotTried("it couldn't even read its own")
    return next((word for word in ("PULUMI", "PASSPHRASE", "XDG_CONFIG_HOME", "api.token") if word in output), "")


@FAMILY.attack("S3", "signal processes of the machine", "a process outside is visible")
def signals(arena: Arena) -> str:
    assert arena.site.daemon
    pids = [arena.site.daemon.pid, os.getpid(), *process_table.started_for(arena.site.eph_home, "-")][:50]
    code = f"""
import os
for pid in {pids!r}:
    try:
        os.kill(pid, 0)
        if b"hostile" not in open(f"/proc/{{pid}}/cmdline", "rb").read() and pid > 400:
            print("FOUND", pid, open(f"/proc/{{pid}}/cmdline").read()[:100])
    except OSError:
        pass
"""
    return "\n".join(lines(arena.run_code(code), "FOUND"))


@FAMILY.each(
    "S3",
    "write to {}",
    "the file is written",
    {
        path: path
        for path in ("/usr/bin/attack", "/etc/attack", "/lib/attack", "/attack", "/proc/sys/kernel/core_pattern")
    },
)
def write(arena: Arena, path: str) -> str:
    code = f"""
try:
    open({path!r}, "w").write("x")
    print("WRITTEN")
except OSError as error:
    print("refused", error)
"""
    written = "".join(lines(arena.run_code(code), "WRITTEN"))
    return path if written and Path(path).exists() and Path(path).read_text() == "x" else ""


@FAMILY.attack("S3", "be root outside", "a process of the environment belongs to root or to a neighbour")
def user(arena: Arena) -> str:
    if os.geteuid() != 0:
        raise NotTried(Missing.USERS)
    owners = {
        preview.name: {
            Path(f"/proc/{pid}").stat().st_uid
            for pid in process_table.started_for(arena.site.eph_home / "local" / "envs" / preview.name, "-")
            if inside(pid)
        }
        for preview in (arena.victim, arena.hostile)
    }
    own = owners[arena.hostile.name]
    if not own:
        raise NotTried("no process of the attacker was found")
    return str(owners) if 0 in own or own & owners[arena.victim.name] else ""


def inside(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/ns/net").readlink() != Path("/proc/self/ns/net").readlink()
    except OSError:
        return False


@FAMILY.attack("S3", "listen on the victim's port", "a visitor of the victim gets the attacker's page")
def squat(arena: Arena) -> str:
    code = """
import os, socket, subprocess, sys
taken = 0
for port in list(range(20000, 20050)):
    try:
        server = socket.create_server(("127.0.0.1", port))
        server.detach()
        taken += 1
    except OSError:
        pass
print("taken", taken)
"""
    if "taken 0" in arena.run_code(code):
        raise NotTried("no port could be taken")
    return arena.victim_problem()


@FAMILY.each(
    "S3",
    "load {} into a launcher",
    "the variable is in a process outside of the sandbox",
    {name: name for name in ("LD_PRELOAD", "LD_LIBRARY_PATH", "BASH_ENV", "PYTHONPATH", "GIT_SSH_COMMAND")},
)
def launcher_variable(arena: Arena, name: str) -> str:
    host = launched(arena)
    page = arena.http.get(f"http://{host}:{arena.site.gateway_port}/environ").json()
    if page.get(name) != "/tmp/evil":
        raise NotTried(f"the service itself didn't get {name}: {sorted(page)}")
    outside = [pid for pid in process_table.pids() if process_table.process_name(pid) in ("bwrap", "sh", "bash")]
    return "\n".join(
        f"{pid} {process_table.command_line(pid)[:200]}"
        for pid in outside
        if not own_processes(pid) and process_table.environment_variable(pid, name) == "/tmp/evil"
    )


def own_processes(pid: int) -> bool:
    """Whether it is in a process namespace of its own, so in the sandbox."""
    try:
        return Path(f"/proc/{pid}/ns/pid").readlink() != Path("/proc/self/ns/pid").readlink()
    except OSError:
        return True


def launched(arena: Arena) -> str:
    """The host of a preview whose eph.yaml sets the variables of launchers."""
    branch = "launcher"
    if branch not in arena.previews:
        names = "LD_PRELOAD: /tmp/evil, LD_LIBRARY_PATH: /tmp/evil, BASH_ENV: /tmp/evil, PYTHONPATH: /tmp/evil"
        text = f"{SHOP_YAML}\nenvironment: {{env: {{{names}, GIT_SSH_COMMAND: /tmp/evil}}}}\n"
        arena.previews[branch] = arena.preview(branch, {"eph.yaml": text})
    return arena.previews[branch].host
