"""The row about databases: one cloned from a prepared gigabyte, against copying that database's files."""

from __future__ import annotations

import asyncio
import shutil
import statistics
import time
from pathlib import Path

from programs.kit.database import environment_databases, postgres
from programs.kit.host_settings import HostSettings
from programs.targets.local.target import TARGET
from tests.bench.rows import Figure, Row, seconds
from tests.bench.sizes import Size
from tests.bench.systems import temporary_folder

ROUNDS = 3
FILL_TABLE = (
    "CREATE TABLE orders AS SELECT id, repeat(chr(97 + id % 26), 1000) AS text FROM generate_series(1, %s) AS id"
)


async def template_clone(size: Size) -> Row:
    """In turns, on the server that the target `local` brings up, and in the same folder of the same disk."""
    with temporary_folder() as home:
        strings = {"root": str(home / "local"), "routes": str(home / "routes")}
        try:
            return await asyncio.to_thread(_measure, strings, home, size)
        finally:
            TARGET.stop(strings)


def _measure(strings: dict[str, str], home: Path, size: Size) -> Row:
    TARGET.ensure(strings)
    on = HostSettings(Path(strings["root"]))
    source, megabytes = _prepare(on, size.database_rows)
    ours, theirs = [], []
    for number in range(min(ROUNDS, size.pairs)):
        begun = time.monotonic()
        environment_databases.create(on, "bench", f"eph_bench_{number}", "prepared")
        ours.append(time.monotonic() - begun)
        environment_databases.drop(on, [f"eph_bench_{number}"])
        begun = time.monotonic()
        shutil.copytree(source, home / "copy")
        theirs.append(time.monotonic() - begun)
        shutil.rmtree(home / "copy")
    ratio = statistics.median(ours) / statistics.median(theirs)
    return Row(
        "template-clone",
        (Figure("ratio", ratio, 1.5),),
        f"a role and a database cloned from {megabytes}, including ownership: {seconds(ours)}",
        f"its files copied: {seconds(theirs)}",
    )


def _prepare(settings: HostSettings, rows: int) -> tuple[Path, str]:
    with postgres.connect(settings) as session:
        postgres.execute(session, "CREATE DATABASE {}", "prepared")
    with postgres.connect(settings, "prepared") as session:
        session.execute(FILL_TABLE.replace("%s", str(rows)).encode())
        session.execute("ALTER TABLE orders ADD PRIMARY KEY (id); CHECKPOINT")
        found = session.execute(
            "SELECT oid::text, pg_size_pretty(pg_database_size(oid)) FROM pg_database WHERE datname = 'prepared'"
        ).fetchone()
    oid, size = found or ("", "")
    return settings.root / "postgres" / "data" / "base" / oid, size
