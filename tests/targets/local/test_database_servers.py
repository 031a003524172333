"""Servers that an environment runs for itself: in its domain, kept by pushes and sleep, gone with it (D3, D5)."""

from __future__ import annotations

import shlex
import shutil
from dataclasses import replace
from urllib.parse import urlsplit

import pytest

from programs.kit.errors import TargetError
from programs.kit.processes import program_files, supervisor
from programs.kit.server_engines import engines
from programs.runtime_info import LogRequest
from programs.spec import CommandSpec, DatabaseSpec
from programs.targets.local import environment_servers, liveness, suspend
from programs.targets.local.environment_servers import EnvironmentServer
from programs.targets.local.target import TARGET
from tests.targets.isolated_machine import BLOG, SHOP, Isolated
from tests.targets.local_machine import APP, LocalMachine, Repository, wait_for

pytestmark = [pytest.mark.real, pytest.mark.timeout(300)]

ASK = """
import os, socket, sys
from urllib.parse import urlsplit
url = urlsplit(os.environ["REDIS_URL"])
try:
    with socket.create_connection((url.hostname, url.port), 5) as made:
        reader = made.makefile("rb")
        for line in (f"AUTH {url.password}", *sys.argv[1:]):
            made.sendall(line.replace("{x}", "x" * 60_000).encode() + b"\\r\\n")
            answer = reader.readline().decode().strip()
            size = int(answer[1:]) if answer[0] in "*$" else 0
            following = 2 * size if answer[0] == "*" else int(size > 0)
            print([answer, *(reader.readline().decode().strip() for _ in range(following))][-1])
except OSError as error:
    print(type(error).__name__)
"""
"""A client of Redis, without a library: it prints the last line of each answer."""


@pytest.fixture
def redis(isolated: Isolated) -> EnvironmentServer:
    if "redis" in engines.missing():
        pytest.skip("redis-server isn't installed")
    isolated.workspace(SHOP)
    return environment_servers.find(SHOP, "cache", "redis")


def ask(isolated: Isolated, url: str, *commands: str, name: str = SHOP) -> list[str]:
    words = " ".join(f"'{command}'" for command in commands)
    lines = isolated.run(name, f"python3 - {words} <<'END'\n{ASK}\nEND", REDIS_URL=url).splitlines()
    return lines[-len(commands) :]


def test_data_survives_sleep_a_kill_and_a_restart(isolated: Isolated, redis: EnvironmentServer) -> None:
    settings = isolated.here
    url = environment_servers.start(settings, redis).url
    assert ask(isolated, url, "SET greeting hello", "GET greeting") == ["+OK", "hello"]

    suspend.sleep(settings, SHOP)
    assert not environment_servers.answers(settings, redis)
    suspend.wake(settings, SHOP, wait=True)
    assert ask(isolated, url, "GET greeting", "SET greeting again") == ["hello", "+OK"]

    supervisor.restart(settings, [str(redis.program)])
    assert environment_servers.ensure(settings, redis).url == url
    assert ask(isolated, url, "GET greeting") == ["again"]
    assert environment_servers.start(settings, redis).url == url, "what uses it needs no new password"
    assert ask(isolated, url, "GET greeting") == ["again"]


@pytest.mark.timeout(45)  # less than Redis has until it must be ready
def test_a_server_that_keeps_ending_is_reported_before_its_deadline(
    isolated: Isolated, redis: EnvironmentServer
) -> None:
    settings = isolated.here
    environment_servers.start(settings, redis)
    suspend.sleep(settings, SHOP)
    for part in (settings.env(SHOP) / "servers" / "cache.redis" / "appendonlydir").iterdir():
        part.write_text("not what Redis wrote")
    with pytest.raises(TargetError) as caught:
        environment_servers.ensure(settings, redis)
    assert caught.value.tail


def test_only_its_environment_reaches_it(isolated: Isolated, redis: EnvironmentServer) -> None:
    isolated.workspace(BLOG)
    url = environment_servers.start(isolated.here, redis).url
    assert ask(isolated, url, "PING") == ["+PONG"]
    assert ask(isolated, url, "PING", name=BLOG) == ["ConnectionRefusedError"]
    wrong = url.replace(url.split(":")[2].split("@")[0], "wrong")
    assert ask(isolated, wrong, "PING") == ["-NOAUTH Authentication required."]


def test_its_memory_is_bounded(isolated: Isolated, redis: EnvironmentServer) -> None:
    """A job queue, whose keys have no lifetime, gets an error. A cache loses entries; which ones, Redis estimates."""
    bounded = replace(isolated.here, server_memory_bytes=4 * 1024**2)
    url = environment_servers.start(bounded, redis).url
    entries = [f"SET page{number} {{x}} EX 900" for number in range(100)]
    assert set(ask(isolated, url, *entries)) == {"+OK"}
    [kept] = ask(isolated, url, "EXISTS " + " ".join(f"page{number}" for number in range(100)))
    assert 0 < int(kept.removeprefix(":")) < 100
    jobs = ask(isolated, url, *["RPUSH jobs {x}"] * 100)
    assert jobs[0] == ":1"
    assert jobs[-1].startswith("-OOM")


def test_changed_limit_takes_effect_without_losing_data(isolated: Isolated, redis: EnvironmentServer) -> None:
    url = environment_servers.start(isolated.here, redis).url
    ask(isolated, url, "SET greeting hello")
    changed = replace(isolated.here, server_memory_bytes=32 * 1024**2)
    assert environment_servers.ensure(changed, redis).url == url
    assert ask(isolated, url, "GET greeting") == ["hello"]
    assert ask(isolated, url, "CONFIG GET maxmemory") == ["33554432"]


def test_removing_it_leaves_nothing(isolated: Isolated, redis: EnvironmentServer) -> None:
    settings = isolated.here
    url = environment_servers.start(settings, redis).url
    ask(isolated, url, "SET greeting hello")
    assert liveness.live_resources(settings)["DatabaseServer"] == {f"{SHOP}/cache/redis"}
    environment_servers.remove(settings, redis)
    assert liveness.live_resources(settings)["DatabaseServer"] == set()
    assert not [name for name in program_files.list_programs(settings) if "cache" in name]
    fresh = environment_servers.start(settings, redis).url
    assert fresh != url
    assert ask(isolated, fresh, "GET greeting") == ["$-1"]


def test_its_password_is_on_no_command_line_and_its_output_is_in_the_logs(
    isolated: Isolated, redis: EnvironmentServer
) -> None:
    url = environment_servers.start(isolated.here, redis).url
    password = url.split(":")[2].split("@")[0]
    lines = isolated.run(SHOP, "cat /proc/[0-9]*/cmdline | tr '\\0' ' '")
    assert password not in lines
    request = LogRequest(service="cache")
    found: list[str] = []

    def is_logged() -> bool:
        found[:] = TARGET.logs(SHOP, isolated.machine.raw_settings, request).lines
        return any("Ready to accept connections" in line for line in found)

    assert wait_for(is_logged), found
    assert not any(password in line for line in found)


def test_a_server_that_is_not_installed_is_an_error_that_names_the_package(
    isolated: Isolated, redis: EnvironmentServer
) -> None:
    absent = replace(redis, engine=replace(redis.engine, program="no-such-server"))
    with pytest.raises(TargetError, match=r"Redis isn't installed .* package redis-server"):
        environment_servers.start(isolated.here, absent)


@pytest.fixture
def mysql(isolated: Isolated) -> EnvironmentServer:
    if "mysql" in engines.missing() or shutil.which("mariadb") is None:
        pytest.skip("mariadb-server-core or mariadb-client-core isn't installed")
    isolated.workspace(SHOP)
    return environment_servers.find(SHOP, "shop-data", "mysql")


def query(isolated: Isolated, url: str, statements: str, name: str = SHOP) -> list[str]:
    parts = urlsplit(url)
    options = f"--host={parts.hostname} --port={parts.port} --user={parts.username} --batch --skip-column-names"
    command = f"echo {shlex.quote(statements)} | mariadb {options} {parts.path[1:]} 2>&1 || true"
    return isolated.run(name, command, MYSQL_PWD=parts.password or "").splitlines()


@pytest.mark.long
def test_mysql_keeps_its_data_and_belongs_to_its_environment(isolated: Isolated, mysql: EnvironmentServer) -> None:
    settings = isolated.here
    isolated.workspace(BLOG)
    url = environment_servers.start(settings, mysql).url
    assert urlsplit(url).path == "/shop_data"
    made = "CREATE TABLE orders (title TEXT); INSERT INTO orders VALUES ('crème'); CREATE DATABASE test_shop;"
    assert query(isolated, url, made) == []
    assert "Can't connect" in query(isolated, url, "SELECT 1", name=BLOG)[0]
    assert "Access denied" in query(isolated, url.replace("//app:", "//app:x"), "SELECT 1")[0]

    suspend.sleep(settings, SHOP)
    assert not environment_servers.answers(settings, mysql)
    suspend.wake(settings, SHOP, wait=True)
    assert query(isolated, url, "SELECT title FROM orders") == ["crème"]
    processes = isolated.run(SHOP, "cat /proc/[0-9]*/cmdline | tr '\\0' ' '")
    assert (urlsplit(url).password or "") not in processes


@pytest.mark.long
@pytest.mark.exhaustive
def test_mysql_starts_over_after_an_interrupted_first_start(isolated: Isolated, mysql: EnvironmentServer) -> None:
    settings = isolated.here
    environment_servers.start(settings, mysql)
    suspend.sleep(settings, SHOP)
    folder = settings.env(SHOP) / "servers" / "shop-data.mysql"
    (folder / "data").rename(folder / "fresh")
    for path in (folder / "fresh").glob("ib*"):
        path.unlink()
    url = environment_servers.start(settings, mysql).url
    assert query(isolated, url, "SELECT 1") == ["1"]


@pytest.mark.long
def test_a_push_keeps_its_data_and_its_url(pulumi: LocalMachine, repository: Repository) -> None:
    """With the real Pulumi: commands and services get the URL, an engine is created once, a destroy leaves nothing."""
    if "redis" in engines.missing():
        pytest.skip("redis-server isn't installed")
    machine = pulumi
    files = {"app.py": APP, "version.txt": "one", "ask.py": ASK}
    databases = (DatabaseSpec("cache", variable="REDIS_URL", engine="redis"),)
    set_once = CommandSpec("python3 ask.py 'SETNX built 1' 'GET built' && python3 ask.py 'INCR built'", 30)
    spec = machine.spec(
        repository,
        repository.push(files),
        databases=databases,
        build=set_once,
        env={"CACHE_PORT": "{database.cache.port}", "CACHE_HOST": "{database.cache.host}"},
    )
    urls = machine.up(spec)["database_urls"]
    environ = machine.get("/environ")
    assert urls["cache"] in environ
    assert f'"CACHE_PORT": "{urls["cache"].split(":")[3].split("/")[0]}"' in environ

    newer = replace(spec, source=replace(spec.source, commit=repository.push({"version.txt": "two"})))
    assert machine.up(newer)["database_urls"] == urls
    assert machine.get() == "two"
    log = (machine.settings.env(spec.name) / "logs" / "build.log").read_text()
    assert log.splitlines()[-1] == ":3", "the second build found the value of the first"

    TARGET.drop_database(newer, "cache")
    machine.run("refresh", newer)
    assert machine.up(newer)["database_urls"] != urls
    machine.destroy()
    assert machine.remaining() == []
