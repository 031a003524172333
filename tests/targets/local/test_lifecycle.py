"""The local target with the real Pulumi: create, update, break, repair, interrupt and destroy (T1, T7, D1-D3)."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
from collections.abc import Callable
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import pytest

from programs.kit.processes import process_table
from programs.runtime_info import LogLines, LogRequest, NoSuchLog
from programs.spec import CommandSpec, DatabaseSpec, EnvironmentSpec, HealthCheck, LifecycleHooks, ServiceSpec
from programs.targets.local.target import TARGET
from tests.targets.local_machine import (
    APP,
    WITH_DATABASE,
    LocalMachine,
    Repository,
    database_session,
    wait_for,
)
from tests.targets.pulumi_driver import PulumiFailed

pytestmark = [pytest.mark.real, pytest.mark.timeout(400)]

PARTS = {"DB_PASSWORD": "{database.db.password}"}
SCHEMA = "create table items (name text); insert into items values ('from the seed');"
MIGRATE = 'psql -q "$DATABASE_URL" -c "create table if not exists migrated (by text)" && echo done'
FILES = {"app.py": APP, "version.txt": "one", "db/schema.sql": SCHEMA, "migrate.sh": MIGRATE}


def rows(machine: LocalMachine, url: str, statement: str = "select name from items order by 1") -> list[str]:
    with database_session(machine.settings, url) as session:
        return [row[0] for row in session.execute(statement).fetchall()]


def error_of(machine: LocalMachine, spec: EnvironmentSpec) -> str:
    with pytest.raises(PulumiFailed) as caught:
        machine.up(spec)
    return str(caught.value)


@pytest.mark.long
def test_an_environment_lives_through_pushes_and_broken_commits(pulumi: LocalMachine, repository: Repository) -> None:
    """T1 T7 D1 D2 P3: the URL stays, rows stay, and a broken commit never affects what is live. Databases' passwords
    are redacted wherever output is shown (S4)."""
    machine = pulumi
    command = "echo started >> /data/starts; echo $DATABASE_URL has $DB_PASSWORD; exec python3 app.py"
    kept = (ServiceSpec("web", command, health=HealthCheck("/version", 20), volumes={"/data": "1Gi"}),)
    build = CommandSpec("test -f app.py", 20)
    same: dict[str, Any] = {"build": build, "services": kept, "env": PARTS, "databases": WITH_DATABASE}
    spec = machine.spec(repository, repository.push(FILES), **same)
    outputs = machine.up(spec)

    assert machine.get() == "one"
    assert outputs["url"] == "http://shop-gentle-stream-42.localhost:8080"
    assert outputs["urls"] == {"web": outputs["url"]}
    assert set(outputs) == {"url", "urls", "database_urls", "logs", "inspect", "built"}
    assert (outputs["built"]["commit"], outputs["built"]["spec_digest"]) == (spec.source.commit, spec.digest)
    assert datetime.fromisoformat(outputs["built"]["at"]).tzinfo is not None
    database = outputs["database_urls"]["db"]
    assert rows(machine, database) == ["from the seed"]
    assert rows(machine, database, "select count(*)::text from migrated") == ["0"]
    [notice] = outputs["built"]["notices"]
    assert "+ table migrated (by text)" in notice, "what the migrations changed since the seed (D4)"
    _check_state(machine, database)
    with database_session(machine.settings, database) as session:
        session.execute("insert into items values ('by a person')")

    first = machine.route()
    second = machine.spec(repository, repository.push({"version.txt": "two"}), **same)
    outputs = machine.up(second)
    assert "*** has ***" in logs(machine, second, LogRequest(lines=10)).lines
    assert machine.get() == "two"
    assert machine.get("/read?/data/starts") == "started\n" * 2, "a volume stays"
    assert outputs["database_urls"]["db"] == database
    assert outputs["built"]["notices"] == [notice], "compared with the same base"
    assert rows(machine, database) == ["by a person", "from the seed"]
    assert machine.route()["upstream"] != first["upstream"]
    assert machine.route()["commit"] == second.source.commit
    assert len(list(machine.settings.programs.glob("shop-*.conf"))) == 1
    assert len(list(machine.settings.envs.glob("*/src/*"))) == 1

    _break_and_mend(machine, repository, second)
    machine.destroy()
    assert machine.remaining() == []
    assert TARGET.list_environments(machine.raw_settings) == frozenset()


def _break_and_mend(machine: LocalMachine, repository: Repository, good: EnvironmentSpec) -> None:
    before = machine.route()

    def still_two() -> None:
        assert machine.get() == "two"
        assert machine.route() == before
        assert machine.outputs()["built"]["commit"] == good.source.commit
        assert len(list(machine.settings.programs.glob("shop-*.conf"))) == 1

    def push(text: str) -> EnvironmentSpec:
        source = dataclasses.replace(good.source, commit=repository.push({"version.txt": text}))
        return dataclasses.replace(good, source=source)

    broken = dataclasses.replace(
        push("three"), build=CommandSpec("echo password $DB_PASSWORD; echo no such symbol >&2; exit 3", 20)
    )
    said = error_of(machine, broken)
    assert "build failed with exit status 3" in said
    assert "| password ***" in said
    assert "| no such symbol" in said
    still_two()

    repository.push({"migrate.sh": "echo column is missing in $DB_PASSWORD; exit 1"})
    said = error_of(machine, push("four"))
    assert "migrate db failed with exit status 1" in said
    assert "| column is missing in ***" in said
    still_two()
    repository.push({"migrate.sh": MIGRATE, "app.py": "raise SystemExit('cannot import shop')"})
    said = error_of(machine, push("five"))
    assert "service web ended 3 times" in said
    assert "| *** has ***" in said
    assert "| cannot import shop" in said
    still_two()

    redirecting = APP.replace("send_response(200)", 'send_response(302)\n        self.send_header("Location", TARGET)')
    repository.push({"app.py": f'TARGET = "https://www.example.com/"\n{redirecting}'})
    said = error_of(machine, push("six"))
    assert "service web redirects /version to https://www.example.com/, outside the environment" in said
    still_two()

    repository.push({"app.py": APP})
    machine.up(push("seven"))
    assert machine.get() == "seven"
    assert len(list(machine.settings.envs.glob("*/src/*"))) == 1


def _check_state(machine: LocalMachine, database: str) -> None:
    """S4: no password in the state, and little of anything else."""
    resources = machine.state()
    own = [item for item in resources if "dynamic/eph" in item["type"]]
    assert len(own) == 11 - 1
    for item in own:
        item.pop("stackTrace", None)
        assert len(item["inputs"]["__provider"]) < 120
        assert len(json.dumps(item)) < 3400, item["type"]
    stored = "".join(path.read_text() for path in machine.folder.glob("store/.pulumi/stacks/**/*.json"))
    assert "dynamic/eph:Database" in stored
    assert database.split(":")[2].split("@")[0] not in stored


@pytest.mark.long
def test_services_find_each_other_and_hooks_run(pulumi: LocalMachine, repository: Repository) -> None:
    """T1 T7 D3: a cycle of two services, two databases, one route per public service, hooks before and after."""
    machine = pulumi
    web = ServiceSpec(
        "web", "exec python3 app.py", health=HealthCheck("/version", 20), env={"PORT": "1", "COLOUR": "blue"}
    )
    api = ServiceSpec("api-v1", "exec python3 app.py", public=True, health=HealthCheck("/version", 20))
    worker = ServiceSpec("worker", "exec python3 app.py", public=False, health=HealthCheck("/version", 20))
    last_words = machine.folder / "last-words"
    hooks = LifecycleHooks(
        pre_create=(CommandSpec("echo pre >> hooks.txt"),),
        post_create=(CommandSpec("echo post >> hooks.txt"),),
        pre_destroy=(CommandSpec(f"cp hooks.txt {last_words}"),),
    )
    # Outside the sandbox, to see the last hook's effect after everything is gone.
    last_words.mkdir()
    machine.raw_settings["sandbox"] = "none"
    spec = machine.spec(
        repository,
        repository.push(FILES),
        services=(web, api, worker),
        databases=(DatabaseSpec("db"), DatabaseSpec("stats", variable="STATS_URL")),
        hooks=hooks,
        env={
            "COLOUR": "red",
            "EPH_COMMIT": "forged",
            "ORIGINS": "{url} {url:api-v1}",
            "WORKER": "{url:worker}",
            "DB_NAME": "{database.db.name}",
        },
    )
    outputs = machine.up(spec)
    host = "api-v1--shop-gentle-stream-42.localhost"
    assert outputs["urls"] == {"web": outputs["url"], "api-v1": f"http://{host}:8080"}
    assert machine.get("/version", host) == "one"
    assert not (machine.settings.routes / "worker--shop-gentle-stream-42.localhost.json").exists()
    assert machine.get("/fetch?WORKER_URL") == machine.get("/fetch?API_V1_URL") == machine.get("/fetch?WEB_URL", host)

    seen = json.loads(machine.get("/environ"))
    assert (seen["COLOUR"], seen["EPH_COMMIT"]) == ("blue", spec.source.commit)
    assert seen["PREVIEW_URL"] == outputs["url"]
    assert seen["EPH_ENVIRONMENT"] == spec.name
    assert (seen["API_V1_PUBLIC_URL"], seen["API_V1_PUBLIC_HOST"]) == (f"http://{host}:8080", host)
    assert seen["ORIGINS"] == f"{outputs['url']} http://{host}:8080"
    assert seen["WORKER"] == seen["WORKER_URL"]
    assert urlsplit(seen["DATABASE_URL"]).path == f"/{seen['DB_NAME']}"
    assert f":{seen['PORT']}" in machine.route()["upstream"]
    assert {"db": seen["DATABASE_URL"], "stats": seen["STATS_URL"]} == outputs["database_urls"]
    assert not {name for name in seen if name.startswith(("PULUMI", "SUPERVISOR"))}
    assert wait_for(lambda: any("starting" in line for line in logs(machine, spec, LogRequest("worker", 10)).lines))
    assert wait_for(
        lambda: any(line.startswith("api-v1 | ") for line in logs(machine, spec, LogRequest(lines=10)).lines)
    )
    request = "api-v1 | request /environ"
    assert read_until(machine, spec, request, lambda: machine.get("/environ", host)).count(request) == 1
    with pytest.raises(NoSuchLog, match="api-v1, web, worker"):
        TARGET.logs(spec.name, machine.raw_settings, LogRequest("nothing"))
    running = {"web": "running", "api-v1": "running", "worker": "running"}
    assert wait_for(lambda: states(machine, spec) == running), states(machine, spec)

    machine.up(machine.spec(repository, repository.push({"hooks.txt": ""}), services=(web, api, worker), hooks=hooks))
    machine.destroy()
    assert (last_words / "hooks.txt").read_text() == "", "hooks of creation ran again, or the last one on an old commit"
    assert machine.remaining() == []


def logs(machine: LocalMachine, spec: EnvironmentSpec, request: LogRequest) -> LogLines:
    return TARGET.logs(spec.name, machine.raw_settings, request)


def read_until(machine: LocalMachine, spec: EnvironmentSpec, line: str, act: Callable[[], object]) -> list[str]:
    """What a follower reads from the act until the line, and once more. supervisord writes a line a moment after the
    response."""
    answer, lines = logs(machine, spec, LogRequest(lines=10)), list[str]()
    act()

    def read() -> bool:
        nonlocal answer
        answer = logs(machine, spec, LogRequest(since=answer.positions))
        lines.extend(answer.lines)
        return line in lines

    assert wait_for(read), lines
    read()
    return lines


def states(machine: LocalMachine, spec: EnvironmentSpec) -> dict[str, str]:
    """The states of its services. supervisord reports a process as running two seconds after its start, whether it
    responds or not."""
    return {item.service: item.state for item in TARGET.inspect(spec.name, machine.raw_settings).processes}


@pytest.mark.long
@pytest.mark.exhaustive
def test_killed_in_the_middle_and_purged_or_run_again(pulumi: LocalMachine, repository: Repository) -> None:
    """T1 L2: kill -9 of Pulumi at several moments; the next run completes it, and a purge leaves nothing."""
    machine = pulumi
    spec = machine.spec(repository, repository.push(FILES), databases=WITH_DATABASE)
    for moment in ("src/*", "logs/migrate-db.log"):
        _kill_once_file_exists(machine, spec, moment)
        assert TARGET.list_environments(machine.raw_settings) == {spec.name}
        machine.run("cancel")
        machine.up(spec)
        assert machine.get() == "one"
        machine.destroy()
        assert machine.remaining() == []

    _kill_once_file_exists(machine, spec, "run/seed-db.json")
    TARGET.purge(spec.name, machine.raw_settings)
    assert machine.remaining() == []
    assert TARGET.list_environments(machine.raw_settings) == frozenset()
    TARGET.purge(spec.name, machine.raw_settings)
    machine.run("cancel")
    # The state still contains what is gone: its deletes find nothing to do.
    machine.destroy()


def _kill_once_file_exists(machine: LocalMachine, spec: EnvironmentSpec, moment: str) -> None:
    """Starts an update, and kills it with all its processes as soon as a file of the environment exists."""
    folder = machine.settings.env(spec.name)
    with machine.start("up", spec) as process:
        assert wait_for(lambda: any(folder.glob(moment)), 60)
        assert process.poll() is None, f"the update was over before it could be killed at {moment}"
        os.killpg(process.pid, signal.SIGKILL)
        mine = f"{machine.folder}/home"
        process_table.kill(
            [pid for pid in process_table.pids() if process_table.environment_variable(pid, "PULUMI_HOME") == mine]
        )


@pytest.mark.long
def test_same_spec_changes_nothing_and_a_refresh_finds_what_is_lost(
    pulumi: LocalMachine, repository: Repository
) -> None:
    """L4 L9 T1: nothing is restarted; what was removed behind our back is recreated."""
    machine = pulumi
    spec = machine.spec(repository, repository.push(FILES))
    machine.up(spec)
    before = machine.route()
    assert machine.run("up", spec)["changes"] == {"same": 7}
    assert machine.route() == before
    TARGET.purge(spec.name, machine.raw_settings)
    assert machine.remaining() == []
    machine.run("refresh")
    machine.up(spec)
    assert machine.get() == "one"
    machine.destroy()
