"""One supervisord keeps programs running, once, across kills and restarts, and isolated (T1, D3, S3)."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest

from programs.kit import files, routes
from programs.kit.database import environment_databases, postgres
from programs.kit.errors import TargetError
from programs.kit.git import checkouts
from programs.kit.identifiers import ProgramName
from programs.kit.isolation import domains, users
from programs.kit.processes import launch, ports, process_table, program_files, sandbox, supervisor
from programs.kit.processes.sandbox import Workspace, works
from programs.kit.routes import RouteRecord
from programs.restarts import RestartUnavailable
from programs.runtime_info import LogRequest
from programs.targets.local import cleanup, supervised_services
from programs.targets.local.supervised_services import ServiceProcess
from programs.targets.local.target import TARGET
from programs.targets.local.v1.serving import CurrentProvider
from tests.targets.local_machine import APP, LocalMachine, Repository, database_session, local_settings, wait_for

pytestmark = pytest.mark.real

NAME = "shop-gentle-stream-42"
HOST = f"{NAME}.localhost"


def run_service(machine: LocalMachine, repository: Repository, name: str = NAME, **env: str) -> ProgramName:
    """An environment with one service, assembled from the target's parts without Pulumi."""
    here = machine.settings
    TARGET.ensure(machine.raw_settings)
    commit = repository.push({"app.py": APP, "version.txt": "one"})
    program = ProgramName(name, "web", "aaaaaaaaaaaa-bbbbbb")
    place = Workspace(here.env(name) / "src" / program.generation, here.env(name) / "home")
    files.make_folder(place.home / "tmp")
    checkouts.create(here, (str(repository.bare), commit), place.checkout)
    if sandbox.kind(here) != "none":
        users.give(here.env(name), users.reserve(here, name))
        place = replace(place, domain=domains.ensure(here, name))
    port = ports.reserve(here, str(program))
    env = {**env, "PORT": str(port), "EPH_COMMIT": commit}
    supervised_services.start(here, place, ServiceProcess(program, "exec python3 app.py", port, "/version", 20, env))
    isolated = place.domain is not None
    upstream = f"http://127.0.0.1:{port}"
    routes.write(here.routes, RouteRecord(f"{name}.localhost", upstream, name, "web", commit, isolated=isolated))
    return program


def app_processes(machine: LocalMachine, name: str = NAME) -> list[int]:
    return [
        pid
        for pid in process_table.started_for(machine.settings.env(name), "-")
        if "app.py" in process_table.command_line(pid)
    ]


def supervisord_pid(machine: LocalMachine) -> int:
    return int((machine.settings.root / "supervisor" / "supervisord.pid").read_text())


@pytest.fixture(params=["auto", "none"])
def sandboxed_machine(machine: LocalMachine, request: pytest.FixtureRequest) -> LocalMachine:
    """With and without a sandbox."""
    machine.raw_settings["sandbox"] = request.param
    return machine


def test_programs_inherit_no_descriptor_of_supervisord(machine: LocalMachine, repository: Repository) -> None:
    """It would be a way to its socket, which starts anything."""
    run_service(machine, repository)
    inherited = {item for pid in app_processes(machine) for item in _descriptors(pid)}
    shared = inherited & _descriptors(supervisord_pid(machine))
    assert inherited
    assert all(str(link).startswith(("pipe:", "/dev/null")) for link in shared), shared
    soft, hard = resource.prlimit(supervisord_pid(machine), resource.RLIMIT_NOFILE)
    assert soft >= min(4096, hard)


def _descriptors(pid: int) -> set[Path]:
    return {entry.readlink() for entry in Path(f"/proc/{pid}/fd").iterdir()}


@pytest.mark.long
def test_killed_supervisord_takes_everything_with_it_and_restores_everything(
    sandboxed_machine: LocalMachine, repository: Repository
) -> None:
    """T1 L2: kill -9 of supervisord ends its children; the next ensure gives the same URL, once, and the same rows."""
    machine = sandboxed_machine
    program = run_service(machine, repository)
    url = environment_databases.create(machine.settings, NAME, "eph_kept")
    with database_session(machine.settings, url) as session:
        session.execute("create table kept as select 1 as x")
    before = sorted(app_processes(machine))
    os.kill(supervisord_pid(machine), signal.SIGKILL)
    assert wait_for(lambda: not any(process_table.is_alive(pid) for pid in before), 20), {
        pid: process_table.command_line(pid) for pid in before if process_table.is_alive(pid)
    }

    starters = [threading.Thread(target=TARGET.ensure, args=(machine.raw_settings,)) for _ in range(4)]
    for thread in starters:
        thread.start()
    for thread in starters:
        thread.join()
    assert wait_for(lambda: _answers(machine))
    assert machine.get() == "one"
    with database_session(machine.settings, url) as session:
        assert session.execute("select x from kept").fetchall() == [(1,)]
    assert len(_daemons(machine)) == 1
    assert len(app_processes(machine)) == len(before)
    assert TARGET.list_environments(machine.raw_settings) == {NAME}

    TARGET.purge(NAME, machine.raw_settings)
    assert machine.remaining() == []
    assert not machine.settings.env(NAME).exists()
    assert supervisor.info(machine.settings, str(program)) == {}


@pytest.mark.long
def test_restart_replaces_the_process_and_unknown_services_are_refused(
    machine: LocalMachine, repository: Repository
) -> None:
    """P5 T1: the same service with a new process, which sleeps and wakes as before."""
    run_service(machine, repository)
    before = set(app_processes(machine))
    assert TARGET.restart(NAME, machine.raw_settings, "web") == ["web"]
    assert wait_for(lambda: _answers(machine))
    after = set(app_processes(machine))
    assert after
    assert not after & before
    assert TARGET.live_resources(machine.raw_settings)["Service"] == {f"{NAME}/web/aaaaaaaaaaaa-bbbbbb"}
    for name, service in ((NAME, "worker"), ("blog-quiet-river-7", "")):
        with pytest.raises(RestartUnavailable):
            TARGET.restart(name, machine.raw_settings, service)
    assert set(app_processes(machine)) == after


def test_logs_since_a_time_show_what_was_printed_then(machine: LocalMachine, repository: Repository) -> None:
    """P5: by the times at which ephd saw the log grow."""
    program = run_service(machine, repository)
    log, began = program_files.log(machine.settings, str(program)), datetime(2026, 11, 29, tzinfo=UTC)
    assert wait_for(lambda: b"starting" in log.read_bytes())
    TARGET.record_log_times(machine.raw_settings, began)
    with log.open("a") as file:
        file.write("a later line\n")
    TARGET.record_log_times(machine.raw_settings, began + timedelta(minutes=9))
    request = LogRequest("web", after=began + timedelta(minutes=5))
    later = TARGET.logs(NAME, machine.raw_settings, request).lines
    assert later[-1] == "a later line"
    assert not [line for line in later if "starting" in line]
    assert [line for line in TARGET.logs(NAME, machine.raw_settings, LogRequest("web")).lines if "starting" in line]
    supervised_services.stop(machine.settings, [program])
    assert not list(machine.settings.logs.glob(f"{program}*")), "its times are removed with it"


def _answers(machine: LocalMachine) -> bool:
    program = ProgramName(NAME, "web", "aaaaaaaaaaaa-bbbbbb")
    return supervised_services.is_answering(machine.settings, program, _port(machine), "/version")


def _port(machine: LocalMachine) -> int:
    return int(machine.route()["upstream"].rpartition(":")[2])


def _daemons(machine: LocalMachine) -> list[int]:
    mark = f"supervisor.supervisord -c {supervisor.config(machine.settings)}"
    return [pid for pid in process_table.pids() if mark in process_table.command_line(pid)]


@pytest.mark.long
@pytest.mark.parametrize("supervisord_runs", [True, False])
def test_programs_of_an_earlier_version_keep_running_after_an_upgrade_moved_the_launcher(
    machine: LocalMachine, repository: Repository, supervisord_runs: bool
) -> None:
    """T1: their files contain the launcher's path in the version that wrote them."""
    program = run_service(machine, repository)
    kit = Path(launch.__file__).parents[1]
    old = machine.folder / "old" / "programs" / "kit" / "processes" / "launch.py"
    shutil.copytree(kit / "isolation", old.parents[1] / "isolation")
    old.parent.mkdir()
    old.write_text(Path(launch.__file__).read_text())
    for name in program_files.list_programs(machine.settings):
        file = program_files.program_file(machine.settings, name)
        file.write_text(file.read_text().replace(launch.__file__, str(old)))
    supervisor.stop(machine.settings)
    TARGET.ensure(machine.raw_settings)
    assert wait_for(lambda: _answers(machine))
    assert str(old) in program_files.program_file(machine.settings, str(program)).read_text(), "it still exists"

    old.unlink()
    if not supervisord_runs:
        supervisor.stop(machine.settings)
    TARGET.ensure(machine.raw_settings)
    assert wait_for(lambda: _answers(machine))
    process_table.kill(app_processes(machine))
    assert wait_for(lambda: _answers(machine))
    assert environment_databases.list_owned(machine.settings) == [], "PostgreSQL answers, too"


def test_crashed_service_restarts_and_stop_ends_everything(machine: LocalMachine, repository: Repository) -> None:
    """T1: a crash is repaired without us; after stop nothing runs, and after ensure it responds again."""
    run_service(machine, repository)
    process_table.kill(app_processes(machine))
    assert wait_for(lambda: _answers(machine))
    TARGET.stop(machine.raw_settings)
    left = [
        line
        for line in TARGET.list_remaining(machine.raw_settings, including_server=True)
        if line.startswith(("process", "socket"))
    ]
    assert left == []
    TARGET.ensure(machine.raw_settings)
    assert wait_for(lambda: _answers(machine))


def test_supervisord_survives_us_and_is_not_our_child(machine: LocalMachine) -> None:
    """T1 L2: neither a kill of our process group nor Ctrl-C reaches it."""
    TARGET.ensure(machine.raw_settings)
    assert os.getsid(supervisord_pid(machine)) != os.getsid(0)
    assert os.getpgid(supervisord_pid(machine)) != os.getpgid(0)
    assert supervisord_pid(machine) not in process_table.ancestors()


def test_a_long_root_gets_a_short_socket(machine: LocalMachine, monkeypatch: pytest.MonkeyPatch) -> None:
    """T1: the kernel limits the path of a unix socket, but not a root's. Operations find it, too."""
    machine.raw_settings["root"] = str(machine.folder / ("long-" * 20) / "root")
    socket = supervisor.socket_path(machine.settings)
    monkeypatch.setattr(tempfile, "tempdir", str(machine.folder / "of an operation"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(machine.folder))
    assert supervisor.socket_path(machine.settings) == socket
    supervisor.ensure(machine.settings)
    assert supervisor.is_answering(machine.settings)
    assert socket.parent.stat().st_mode & 0o777 == 0o700
    TARGET.stop(machine.raw_settings)
    assert not socket.parent.exists()


@pytest.mark.skipif(not works(), reason="bubblewrap cannot make its namespaces here")
@pytest.mark.long
def test_service_sees_nothing_of_the_machine(machine: LocalMachine, repository: Repository, tmp_path: Path) -> None:
    """T1 S3 S4: not the server's key, not /root, not another checkout, not its parent's environment."""
    run_service(machine, repository, "other")
    run_service(machine, repository, SECRET="mine")
    key = machine.settings.root / "server.key"
    key.write_text("secret")
    other = next((machine.settings.env("other") / "src").iterdir()) / "app.py"
    admin = machine.settings.root / "postgres" / "password"
    hidden = [key, admin, other, machine.settings.launches, "/etc/shadow", "/root/.bashrc", "/root/.profile"]
    for path in hidden:
        assert machine.get(f"/read?{path}").startswith("refused"), path
    assert admin.read_text()
    assert other.exists()
    pids = json.loads(machine.get("/pids"))
    assert len(pids) < 6, "the service sees processes that are not its own"
    environ = json.loads(machine.get("/environ"))
    allowed = {"PATH", "HOME", "TMPDIR", "LANG", "USER", "LOGNAME", "SHELL", "PORT", "EPH_COMMIT", "SECRET", "PWD"}
    assert set(environ) <= allowed | {"LC_CTYPE", "OLDPWD", "SHLVL", "_"}
    assert machine.get("/read?/tmp/marker").startswith("refused")
    command_lines = " ".join(
        process_table.command_line(pid) for pid in process_table.started_for(machine.settings.env(NAME), "-")
    )
    assert "mine" not in command_lines


def test_role_sees_only_its_own_database(machine: LocalMachine) -> None:
    """D3 S3: no environment reaches another's data, nor the server's own databases."""
    TARGET.ensure(machine.raw_settings)
    here = machine.settings
    first, _ = (environment_databases.create(here, name, f"eph_{name}_db") for name in ("one", "two"))
    for database in ("eph_two_db", "postgres", "template1"):
        with pytest.raises(psycopg.OperationalError, match=r"permission denied|not permitted"):
            database_session(here, first, dbname=database).close()
    with database_session(here, first) as session:
        session.execute("create schema more")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            session.execute("create role intruder")
    assert {item.environment for item in environment_databases.list_owned(here)} == {"one", "two"}
    again = environment_databases.create(here, "one", "eph_one_db")
    assert again != first
    with contextlib.closing(database_session(here, again)) as session:
        assert session.execute("select count(*) from pg_namespace where nspname = 'more'").fetchall() == [(0,)]
        environment_databases.drop(here, ["eph_one_db"])
    TARGET.purge("two", machine.raw_settings)
    assert environment_databases.list_owned(here) == []
    assert machine.remaining() == []


def test_names_are_found_by_every_kind_of_trace(machine: LocalMachine) -> None:
    """T1 L2: any single leftover of a crash is enough to find the name and purge it."""
    TARGET.ensure(machine.raw_settings)
    here = machine.settings
    files.make_folder(here.env("folder"))
    ports.reserve(here, "port.web.gen")
    routes.write(here.routes, RouteRecord("route.localhost", "http://127.0.0.1:1", "route", "web", "c"))
    environment_databases.create(here, "database", "eph_database_x")
    files.write(program_files.program_file(here, "program.web.gen"), "; interrupted before supervisord read it\n")
    found = {"folder", "port", "route", "database", "program"}
    assert TARGET.list_environments(machine.raw_settings) == found
    assert len(machine.remaining()) == len(found) + 1
    for name in found:
        TARGET.purge(name, machine.raw_settings)
    assert TARGET.list_environments(machine.raw_settings) == frozenset()
    assert machine.remaining() == []
    with pytest.raises(TargetError):
        TARGET.purge("../../etc", machine.raw_settings)
    assert cleanup.list_environments(here) == frozenset()


@pytest.mark.parametrize(("program", "counts"), [("disk-guard", False), ("program.web.gen", True)])
def test_only_launches_of_environments_are_left_behind(machine: LocalMachine, program: str, counts: bool) -> None:
    """C2: a program that all environments share belongs to none, also while it is being started."""
    here = machine.settings
    files.write(program_files.program_file(here, program), "; as a restart finds it\n")
    launch = str(program_files.launch_file(here, program))
    with subprocess.Popen([sys.executable, "-c", "input()", "launch.py", launch], stdin=subprocess.PIPE) as process:
        found = [line for line in machine.remaining() if line.startswith(f"process {process.pid}:")]
        process.kill()
    assert bool(found) == counts


def test_operators_own_server_is_shared_with_others(machine: LocalMachine, tmp_path: Path) -> None:
    """D3: another server's databases are neither listed nor touched."""
    machine.raw_settings["sandbox"] = "none"  # the server listens on a port only without a sandbox
    TARGET.ensure(machine.raw_settings)
    first = machine.settings
    host, port = postgres.address(first)
    password = (first.root / "postgres" / "password").read_text()
    second = local_settings(tmp_path, postgres=f"postgresql://{postgres.ADMIN}:{password}@{host}:{port}/postgres")
    environment_databases.create(first, "shop", "eph_shop_first")
    url = environment_databases.create(second, "shop", "eph_shop_second")
    with contextlib.closing(psycopg.connect(url)) as session:
        assert session.execute("select current_database()").fetchall() == [("eph_shop_second",)]
    assert {item.name for item in environment_databases.list_owned(second)} == {"eph_shop_second"}
    environment_databases.drop(second, [item.name for item in environment_databases.list_owned(second)])
    assert {item.name for item in environment_databases.list_owned(first)} == {"eph_shop_first"}


def test_unused_checkout_is_removed_by_the_next_build(machine: LocalMachine, repository: Repository) -> None:
    """L2; found by chaos: a first build was killed after its checkout, before anything ran, and the state forgot it."""
    program = run_service(machine, repository)
    source = machine.settings.env(NAME) / "src"
    files.make_folder(source / "ffffffffffff-000000")
    CurrentProvider().make(machine.settings, {"environment": NAME, "generation": program.generation})
    assert [path.name for path in source.iterdir()] == [program.generation]
    assert app_processes(machine)
