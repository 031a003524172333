"""The disk of an environment is bounded by measuring it (S3), each way with real processes and the real guard."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from programs.kit.database import environment_databases
from programs.kit.errors import TargetError
from programs.kit.isolation import disk
from programs.kit.isolation.disk_guard import DiskGuard
from programs.kit.processes import command_runner, sandbox, supervisor
from programs.kit.processes.command_runner import CommandRun
from programs.targets.local import cleanup
from programs.targets.local.target import TARGET
from tests.targets.isolated_machine import BLOG, SHOP, Isolated
from tests.targets.local_machine import LocalMachine, Repository, database_session, wait_for

pytestmark = [
    pytest.mark.real,
    pytest.mark.long,
    pytest.mark.timeout(240),
    pytest.mark.skipif(not sandbox.works(), reason="bubblewrap can't create its namespaces here"),
]

MEGABYTE = 1024**2
LIMIT = 64 * MEGABYTE
SECONDS = 90
FILL = """
import os, time
def write(path, megabytes=100):
    file = open(path, "wb")
    for _ in range(megabytes):
        file.write(os.urandom(2**20))
    file.flush()
    return file
"""
WAYS = {
    "one file": 'write("big"); time.sleep(88)',
    "a file that was deleted": 'file = write("big"); os.remove("big"); time.sleep(88)',
    "a deep tree": """
name = 50 * "d"
for _ in range(100):  # the path is longer than the kernel accepts
    os.mkdir(name)
    os.chdir(name)
write("big")
time.sleep(88)
""",
    "many empty files": """
for n in range(20000):
    open(f"empty-{n}", "w").close()
time.sleep(88)
""",
}


@pytest.fixture
def bounded(machine: LocalMachine, repository: Repository) -> Iterator[Isolated]:
    machine.raw_settings["disk_bytes"] = str(LIMIT)
    made = Isolated(machine, repository)
    yield made
    for name in TARGET.list_environments(machine.raw_settings):
        cleanup.purge(machine.settings, name)


def run(isolated: Isolated, command: str) -> None:
    job = CommandRun("attack", "attack", command, SECONDS, {})
    command_runner.run(isolated.here, SHOP, isolated.workspace(SHOP), job)


def is_running(isolated: Isolated, name: str) -> bool:
    return supervisor.info(isolated.here, str(isolated.program(name))).get("statename") in ("STARTING", "RUNNING")


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.exhaustive
def test_command_that_fills_the_disk_ends_with_the_reason(bounded: Isolated, way: str) -> None:
    with pytest.raises(TargetError, match=r"of disk, but its limit is 0\.1 GB \(setting 'disk_bytes'\)"):
        run(bounded, f"python3 - <<'END'\n{FILL}{WAYS[way]}\nEND")


def test_service_that_fills_the_disk_stops_until_it_uses_less(bounded: Isolated) -> None:
    """The neighbour keeps running, and nothing of the environment starts while it's over the limit."""
    bounded.serve(BLOG)
    bounded.route(SHOP)
    bounded.serve(SHOP, f'python3 -c \'{FILL}write(os.environ["HOME"] + "/big")\' & exec python3 app.py')
    assert wait_for(lambda: not is_running(bounded, SHOP), SECONDS)
    assert bounded.get(BLOG) == "one"
    with pytest.raises(TargetError, match="disk_bytes"):
        TARGET.wake(SHOP, bounded.machine.raw_settings)
    with pytest.raises(TargetError, match="disk_bytes"):
        bounded.run(SHOP, "true")
    assert not is_running(bounded, SHOP)

    (bounded.here.env(SHOP) / "home" / "big").unlink()
    bounded.run(SHOP, "true")
    bounded.serve(SHOP)
    assert bounded.get(SHOP) == "one"


def test_databases_count(bounded: Isolated) -> None:
    bounded.workspace(SHOP)
    url = environment_databases.create(bounded.here, SHOP, "eph_shop_db")
    with database_session(bounded.here, url) as session:
        session.execute("CREATE TABLE big AS SELECT repeat(md5(n::text), 30) AS x FROM generate_series(1, 80000) n")
    assert disk.database_bytes(bounded.here)[SHOP] > LIMIT
    with pytest.raises(TargetError, match="disk_bytes"):
        run(bounded, f"sleep {SECONDS - 2}")


def test_below_the_limit_nothing_happens(bounded: Isolated) -> None:
    bounded.serve(SHOP)
    bounded.python(SHOP, FILL + 'write("some", 10)')
    DiskGuard(bounded.here, lambda _: None).round()
    assert is_running(bounded, SHOP)
    assert bounded.get(SHOP) == "one"


@pytest.mark.parametrize("folder", ["/", "/dev", "/usr"])
def test_folders_in_memory_cannot_be_filled(bounded: Isolated, folder: str) -> None:
    """bubblewrap's own mounts have no size limit, so they are read-only."""
    with pytest.raises(TargetError, match="failed with exit status"):
        bounded.run(SHOP, f"echo x >{folder}/filled")


def test_private_folders_in_memory_have_the_limit_of_memory(bounded: Isolated) -> None:
    output = bounded.run(SHOP, "df --block-size=1 --output=size /tmp /dev/shm; echo >/tmp/x; echo >/dev/shm/x; ls /tmp")
    assert [int(word) for word in output.split() if word.isdigit()] == [bounded.here.memory_bytes] * 2
    assert output.split()[-1] == "x"
