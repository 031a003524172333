"""The inventory of the local target, and the removal of single resources, by their marks: C2, L9, T1."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from programs.inventory import HeldResource
from programs.kit import files, routes
from programs.kit.database import binaries, environment_databases, postgres
from programs.kit.identifiers import ProgramName
from programs.kit.processes import ports
from programs.kit.processes.sandbox import Workspace
from programs.kit.routes import RouteRecord
from programs.targets.local import supervised_services
from programs.targets.local.supervised_services import ServiceProcess
from programs.targets.local.target import TARGET
from tests.targets.local_machine import APP, LocalMachine

NAME = "shop-gentle-stream-42"
GENERATION = "aaaaaaaaaaaa-bbbbbb"


@contextmanager
def orphan_process(home: str, folder: str = "/") -> Iterator[int]:
    """A process with that home, without a supervisor, and not started by ephd."""
    line = 'sleep 60 >/dev/null 2>&1 & echo "$!"'
    started = subprocess.run(
        ["setsid", "sh", "-c", line], env={"HOME": home}, cwd=folder, capture_output=True, text=True, check=True
    )
    pid = int(started.stdout)
    try:
        yield pid
    finally:
        subprocess.run(["kill", "-9", str(pid)], check=False, capture_output=True)


def create_one_of_each(machine: LocalMachine) -> None:
    """One resource of each kind, created by the target itself."""
    on = machine.settings
    TARGET.ensure(machine.raw_settings)
    checkout = files.make_folder(on.env(NAME) / "src" / GENERATION)
    (checkout / "app.py").write_text(APP)
    (checkout / "version.txt").write_text("1")
    files.make_folder(on.env(NAME) / "home" / "tmp")
    program = ProgramName(NAME, "web", GENERATION)
    port = ports.reserve(on, str(program))
    env = {"PORT": str(port), "EPH_COMMIT": "a" * 40}
    supervised_services.start(
        on,
        Workspace(checkout, on.env(NAME) / "home"),
        ServiceProcess(program, "exec python3 app.py", port, "/", 20, env),
    )
    routes.write(on.routes, RouteRecord(f"{NAME}.localhost", f"http://127.0.0.1:{port}", NAME, "web", "a" * 40))
    environment_databases.create(on, NAME, "eph_shop_1")


@pytest.mark.long
def test_each_resource_is_listed_with_its_mark_part_and_command(machine: LocalMachine) -> None:
    create_one_of_each(machine)
    found = TARGET.list_resources(machine.raw_settings)
    parts = {(thing.kind, thing.resource_id) for thing in found}
    service = f"Service:{NAME}/web/{GENERATION}"
    assert parts >= {
        ("folder", f"Home:{NAME}"),
        ("checkout", f"Checkout:{NAME}/{GENERATION}"),
        ("service", service),
        ("launch file", service),
        ("log", service),
        ("port", f"Ports:{NAME}/{GENERATION}"),
        ("route", f"Route:{NAME}/{NAME}.localhost"),
        ("database", f"Database:{NAME}/eph_shop_1"),
        ("role", f"Database:{NAME}/eph_shop_1"),
    }
    alive = [thing for thing in found if thing.kind in ("process", "sandbox")]
    assert alive
    assert all(thing.is_supervised and thing.removal_command.startswith("kill -9 ") for thing in alive)
    assert {thing.environment for thing in found} == {NAME}
    assert all(thing.removal_command for thing in found)


@pytest.mark.long
def test_every_removal_command_removes_its_resource(machine: LocalMachine) -> None:
    """C2: the exact command; processes are removed with their service."""
    create_one_of_each(machine)
    environment_databases.create(machine.settings, NAME, "eph_shop_2")
    env = {"PATH": f"{binaries.binaries_folder()}:/usr/bin:/bin"}
    order = ("service", "launch file", "log", "route", "port", "role", "database", "checkout", "folder")
    found = [thing for thing in TARGET.list_resources(machine.raw_settings) if thing.kind in order]
    for thing in sorted(found, key=lambda each: order.index(each.kind)):
        subprocess.run(["sh", "-c", thing.removal_command], env=env, check=True, capture_output=True)
    assert TARGET.list_resources(machine.raw_settings) == []


@pytest.mark.long
def test_resources_without_our_mark_are_neither_listed_nor_touched(machine: LocalMachine) -> None:
    create_one_of_each(machine)
    on = machine.settings
    other = files.make_folder(on.envs / "Not_Ours" / "src" / "x")
    (on.routes / "theirs.example.com.json").write_text(json.dumps({"upstream": "http://127.0.0.1:1"}))
    with postgres.connect(on) as session:
        session.execute("CREATE ROLE eph_theirs LOGIN")
        session.execute("CREATE DATABASE eph_theirs OWNER eph_theirs")
        session.execute("""COMMENT ON DATABASE eph_theirs IS '{"eph": "0123456789ab", "environment": "shop-x-1"}'""")
    with orphan_process("/root", str(on.env(NAME))) as stranger:
        found = TARGET.list_resources(machine.raw_settings)
        named = " ".join(f"{thing.name} {thing.removal_command}" for thing in found)
        assert str(stranger) not in [thing.name.split()[0] for thing in found]
    assert "theirs" not in named
    assert "Not_Ours" not in named
    assert other.exists()
    with postgres.connect(on) as session:
        session.execute("DROP DATABASE eph_theirs")
        session.execute("DROP ROLE eph_theirs")


@pytest.mark.long
def test_single_resource_is_removed_and_the_environment_survives(machine: LocalMachine) -> None:
    create_one_of_each(machine)
    on = machine.settings
    environment_databases.create(on, NAME, "eph_stray")
    files.make_folder(on.env(NAME) / "src" / ".0123").joinpath("half").write_text("")
    files.make_folder(on.env(NAME) / "src" / "cccccccccccc-dddddd")
    routes.write(on.routes, RouteRecord("stray.localhost", "http://127.0.0.1:1", NAME, "web", "c" * 40))
    ports.reserve(on, str(ProgramName(NAME, "web", "cccccccccccc-dddddd")))
    with orphan_process(str(on.env(NAME) / "home")) as pid:
        before = TARGET.list_resources(machine.raw_settings)
        strays = [thing for thing in before if is_stray(thing, pid)]
        assert {thing.kind for thing in strays} >= {
            "database", "role", "incomplete checkout", "checkout", "route", "port", "process",
        }  # fmt: skip
        for thing in strays:
            assert TARGET.delete_resource(thing, machine.raw_settings)
            assert TARGET.delete_resource(thing, machine.raw_settings), "twice is as good as once"
    after = TARGET.list_resources(machine.raw_settings)
    assert [thing for thing in after if is_stray(thing, pid)] == []
    kept = {thing for thing in before if not is_stray(thing, pid)}
    assert kept <= set(after)
    home = next(thing for thing in after if thing.kind == "folder")
    assert not TARGET.delete_resource(home, machine.raw_settings), "a home goes with its environment"


def is_stray(thing: HeldResource, pid: int) -> bool:
    marks = ("stray", "/.0123", "cccccccccccc-dddddd")
    return any(mark in f"{thing.name} {thing.resource_id}" for mark in marks) or thing.name.startswith(f"{pid} ")
