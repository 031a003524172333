"""Code that tries to use up the machine."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import tempfile
import threading
import time
from pathlib import Path

from programs.kit.errors import TargetError
from programs.kit.isolation import limits
from programs.kit.isolation.lookups import Lookups
from programs.kit.processes import command_runner
from programs.kit.processes.command_runner import CommandRun
from programs.targets.local import cleanup
from tests.attack.arena import MEMORY_BYTES, PROCESS_LIMIT, Arena
from tests.attack.attack import Family, Missing, NotTried
from tests.attack.neighbours import suffering
from tests.targets.conftest import local_machine
from tests.targets.isolated_machine import BLOG, Isolated
from tests.targets.local_machine import new_repository
from tests.targets.two_tenants import attack, bounded_machine

TEN_MINUTES = 600.0
FILL = """
import os, time
file = open("big", "wb")
os.remove("big")
for _ in range({megabytes}):
    file.write(os.urandom(2**20))
time.sleep(60)
"""
FAMILY = Family("limits")


@FAMILY.attack("S3", "start more processes than the limit", "more run than the limit allows, or the victim suffers")
def fork_bomb(arena: Arena) -> str:
    code = f"""
import os, time
made, children = 0, []
try:
    for made in range({PROCESS_LIMIT * 5}):
        pid = os.fork()
        if pid == 0:
            time.sleep(20)
            os._exit(0)
        children.append(pid)
    print("UNBOUNDED", made)
except OSError as error:
    print("stopped", made)
for pid in children:
    os.kill(pid, 9)
    os.waitpid(pid, 0)
"""
    output = arena.run_code(code)
    arena.wait_for_hostile()
    return output if "UNBOUNDED" in output else arena.victim_problem()


@FAMILY.attack("S3", "take more memory than the limit", "the memory is allocated, or the victim suffers")
def memory(arena: Arena) -> str:
    if limits.method() == "rlimits":
        raise NotTried(Missing.CONTROL_GROUPS)
    code = f"""
import os
pid = os.fork()
if pid == 0:
    held = [bytearray(2**20) for _ in range({2 * MEMORY_BYTES // 2**20})]
    os._exit(0)
print("UNBOUNDED" if os.waitpid(pid, 0)[1] == 0 else "ended")
"""
    try:
        output = arena.run_code(code)
    except NotTried:
        output = "ended"  # with the process that tried it
    arena.wait_for_hostile()
    return output if "UNBOUNDED" in output else arena.victim_problem()


@FAMILY.attack("S3", "hold hundreds of connections to the proxy", "the victim's preview stops")
def connections(arena: Arena) -> str:
    code = """
import socket, time
held = []
for _ in range(300):
    try:
        held.append(socket.create_connection(("127.0.0.1", 3128), 1))
        held[-1].sendall(b"GET / HTTP/1.1\\r\\n")
    except OSError:
        pass
print("held", len(held))
time.sleep(6)
"""
    output, evidence = suffering(arena, code)
    if int(output.split()[1]) < 50:
        raise NotTried(f"only {output}")
    return evidence


@FAMILY.attack("S3", "look up slow names by the hundred", "other work of the relay, or a neighbour's lookup, waits")
def slow_names(_: Arena) -> str:
    """With the relay's own lookups, and a name server that never answers."""
    return asyncio.run(_slow_names())


async def _slow_names() -> str:
    answers = threading.Event()

    def resolve(host: str, port: int, **_: object) -> list[tuple[object, ...]]:
        if host.startswith("slow"):
            answers.wait(30)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.1", port))]

    attacker, victim = Lookups(resolve), Lookups(resolve)
    tasks = [asyncio.create_task(attacker.addresses(f"slow-{number}.test", 443)) for number in range(300)]
    try:
        await asyncio.sleep(0.1)
        async with asyncio.timeout(3):
            await victim.addresses("fast.test", 443)
            await asyncio.to_thread(time.monotonic)
    except TimeoutError:
        return "they waited for 3 s"
    finally:
        answers.set()
        await asyncio.gather(*tasks, return_exceptions=True)
    return ""


@FAMILY.attack(
    "S3", "hang hundreds of requests at the gateway", "the victim's preview or the dashboard stops", is_slow=True
)
def hanging_requests(arena: Arena) -> str:
    """Clients of the attacker's preview that send half a request and wait."""
    with contextlib.ExitStack() as exits:
        for _ in range(600):
            made = socket.create_connection(("127.0.0.1", arena.site.gateway_port), 5)
            exits.callback(made.close)
            made.sendall(f"POST / HTTP/1.1\r\nHost: {arena.hostile.host}\r\nContent-Length: 100\r\n\r\nx".encode())
        began = time.monotonic()
        problem = arena.victim_problem()
        front = arena.http.get(f"{arena.dashboard}/healthz")
        took = time.monotonic() - began
    if problem or front.status_code != 200:
        return problem or f"the dashboard responds with {front.status_code}"
    return f"both took {took:.1f} s" if took > 10 else ""


@FAMILY.attack("S3", "write an endless log", "the log grows beyond its limit", is_slow=True)
def endless_log(arena: Arena) -> str:
    limit = arena.site.target_settings.log_bytes
    code = f"""
import os, glob
fds = [path for path in glob.glob("/proc/*/fd/1") if not path.startswith("/proc/self")]
line = b"x" * 1000 + b"\\n"
for path in fds:
    try:
        with open(path, "wb", buffering=0) as file:
            for _ in range({limit * 4 // 1000}):
                file.write(line)
    except OSError as error:
        print(path, error)
"""
    arena.run_code(code)
    logs = list((arena.site.eph_home / "local").rglob(f"*{arena.hostile.name}*.log*"))
    sizes = {path.name: path.stat().st_size for path in logs}
    if not sizes:
        raise NotTried("no log was found")
    return "" if max(sizes.values()) <= 2 * limit else str(sizes)


@FAMILY.each(
    "S3",
    "fill {}, which is in memory",
    "the file is written",
    {"the root folder": "/", "the folder of devices": "/dev"},
)
def unlimited_mount(arena: Arena, folder: str) -> str:
    """Mounts of bubblewrap have no size."""
    output = arena.run_code(f"""
try:
    open("{folder}/filled", "w").close()
    print("WRITTEN")
except OSError as error:
    print(type(error).__name__)
""")
    return output if "WRITTEN" in output else ""


@FAMILY.attack("S3", "fill the disk with a deleted file", "it exceeds its limit for a minute", is_slow=True)
def disk_usage(_: Arena) -> str:
    """On a separate machine, because it ends the environment."""
    limit = 64 * 1024**2
    with tempfile.TemporaryDirectory(prefix="eph-attack-") as folder, local_machine() as machine:
        machine.raw_settings["disk_bytes"] = str(limit)
        isolated = Isolated(machine, new_repository(Path(folder) / "repository"))
        try:
            code = FILL.format(megabytes=4 * limit // 1024**2)
            job = CommandRun("fill", "fill", f"python3 - <<'END'\n{code}\nEND", 180, {})
            command_runner.run(isolated.here, BLOG, isolated.workspace(BLOG), job)
            output = "nothing ended it"
        except TargetError as error:
            if "disk_bytes" not in str(error):
                raise NotTried(str(error)) from None
            output = ""
        finally:
            cleanup.purge(machine.settings, BLOG)
        return output


@FAMILY.attack("S3 L7", "attack a neighbour for ten minutes", "its latency, contents or removal change", is_slow=True)
def two_tenants(_: Arena) -> str:
    """On a separate machine, with the parts of the target local and a real gateway."""
    if limits.method() == "rlimits":
        raise NotTried(Missing.CONTROL_GROUPS)
    with (
        tempfile.TemporaryDirectory(prefix="eph-attack-") as folder,
        local_machine() as machine,
        bounded_machine(machine, new_repository(Path(folder) / "repository")) as isolated,
    ):
        return "; ".join(attack(isolated, TEN_MINUTES).problems())
