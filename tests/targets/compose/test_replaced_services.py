"""Databases in the place of a compose file's service. Rows: T4, D1, S3.

The server is a real PostgreSQL, in a container that listens on this machine's addresses; so environments reach it
through the gateway of their own network, as they would reach one in a company's network.
"""

from __future__ import annotations

import json
import secrets
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import psycopg
import pytest

from orchestrator.config.eph_yaml.parsing import parse
from orchestrator.demo.cluster import base_images, oci
from orchestrator.demo.containers import engine_process
from orchestrator.demo.free_ports import free_port
from programs.kit import waiting
from programs.kit.database import hidden_names
from programs.kit.errors import TargetError
from programs.runtime_info import LogRequest
from programs.spec import DatabaseSpec
from programs.targets.compose import databases, settings_table, wording
from programs.targets.compose.engine.engine_client import EngineClient
from programs.targets.compose.publication import ReplacedService
from programs.targets.compose.settings import ComposeHost
from programs.targets.compose.target import TARGET
from tests.targets.compose import compose_machine
from tests.targets.compose.compose_machine import NAME, PYTHON_IMAGE
from tests.targets.local_machine import Repository

POSTGRES_IMAGE = "postgres:15"
HOST = ComposeHost(Path("/nowhere"), postgres="postgresql://eph:x@192.0.2.7:6543/postgres")
REPLACED = ReplacedService("db", "main", "eph_x", "DATABASE_URL")
COMPOSE = f"""
services:
  web:
    image: {PYTHON_IMAGE}
    command: python3 /srv/web.py
    environment: {{URL: "${{DATABASE_URL}}"}}
    volumes: [./srv:/srv:ro]
    stop_grace_period: 1s
    depends_on: {{db: {{condition: service_healthy}}}}
  db:
    image: {POSTGRES_IMAGE}
    networks: {{default: {{aliases: [database]}}}}
    volumes: [data:/data]
volumes: {{data: }}
"""
WEB = """
import http.server, json, os, socket, psycopg
from psycopg.conninfo import conninfo_to_dict

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        with psycopg.connect(os.environ["URL"]) as session:
            words = [row[0] for row in session.execute("SELECT word FROM words ORDER BY word")]
            session.execute("INSERT INTO words VALUES ('x')")
        found = {"words": words, "names": [socket.gethostbyname(name) for name in ("db", "database")]}
        data = json.dumps(found).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

print("has", conninfo_to_dict(os.environ["URL"])["password"], "for", os.environ["URL"], flush=True)
http.server.ThreadingHTTPServer(("0.0.0.0", 8000), Handler).serve_forever()
"""


def file(replace: Mapping[str, str], **instance: Any) -> dict[str, Any]:
    """As eph.yaml is after it was parsed."""
    data = {
        "version": "1.0",
        "name": "shop",
        "compose": {"public": [{"service": "web", "port": 8000}], "replace": dict(replace)},
        "database": {"instances": [{"name": "main", **instance}]},
    }
    return parse(json.dumps(data).encode()).config.model_dump()


@pytest.mark.parametrize(
    ("replace", "instance", "path"),
    [
        ({}, {}, ("database", "instances", 0)),
        ({"db": "other"}, {}, ("compose", "replace", "db")),
        ({"web": "main"}, {}, ("compose", "replace", "web")),
        ({"db": "main", "two": "main"}, {}, ("compose", "replace", "two")),
        ({"db": "main"}, {"migrate": "make migrate"}, ("database", "instances", 0, "migrate")),
        (
            {"db": "main"},
            {"template": {"strategy": "seed", "seed": {"command": "make seed"}}},
            ("database", "instances", 0, "template", "seed", "command"),
        ),
    ],
)
def test_what_can_not_be_replaced_is_refused(
    replace: dict[str, str], instance: dict[str, Any], path: tuple[str | int, ...]
) -> None:
    assert path in [finding.path for finding in settings_table.problems(file(replace, **instance))]


def test_valid_replacement_is_no_problem() -> None:
    seed = {"template": {"strategy": "seed", "seed": {"scripts": ["db/one.sql"]}}}
    assert list(settings_table.problems(file({"db": "main"}, **seed))) == []


def test_other_services_neither_wait_for_it_nor_miss_its_names() -> None:
    project = {
        "services": {
            "web": {"depends_on": {"db": {"condition": "service_healthy"}, "job": {}}, "links": ["db:store", "job"]},
            "job": {"network_mode": "none"},
            "db": {"networks": {"default": {"aliases": ["store"]}}},
        }
    }
    found = databases.without_replaced(HOST, project, [REPLACED])
    assert found["services"] == {
        "web": {"depends_on": {"job": {}}, "links": ["job"], "extra_hosts": ["db=192.0.2.7", "store=192.0.2.7"]},
        "job": {"network_mode": "none", "depends_on": {}, "links": []},
    }
    with pytest.raises(TargetError) as error:
        databases.without_replaced(HOST, {"services": {"web": {}}}, [REPLACED])
    assert error.value.sentence == wording.no_replaced_service("db", ["web"])


@pytest.mark.parametrize("address", ["127.0.0.1", "localhost:5432"])
def test_address_that_only_this_machine_reaches_is_refused(address: str) -> None:
    host = ComposeHost(HOST.root, postgres=HOST.postgres, postgres_address=address)
    with pytest.raises(TargetError) as error:
        databases.container_address(host)
    assert error.value.sentence == wording.unreachable_for_containers(address.partition(":")[0])


@pytest.fixture
def server(engine: Path) -> Iterator[tuple[str, int]]:
    """The administrator's URL on this machine, and the port. It has a prepared database."""
    archive, port, password = engine.parent / "postgres.tar", free_port(), secrets.token_hex(8)
    oci.write_docker_archive(base_images.postgres_image(), POSTGRES_IMAGE, archive)
    engine_process.load_image(engine, archive)
    env = {"POSTGRES_USER": "eph", "POSTGRES_PASSWORD": password, "POSTGRES_DB": "postgres", "PGPORT": str(port)}
    body = {"Image": POSTGRES_IMAGE, "Env": [f"{key}={value}" for key, value in {**env, "PGDATA": "/tmp/data"}.items()]}
    url = f"postgresql://eph:{password}@127.0.0.1:{port}/postgres?sslmode=disable"
    with EngineClient(engine) as client:
        made = client._request("POST", "/containers/create", json={**body, "HostConfig": {"NetworkMode": "host"}})
        container = made.json()["Id"]
        client.start(container)
        assert waiting.wait_until(lambda: responds(url), 90), client.log(container, lines=20)
        with psycopg.connect(url, autocommit=True) as session:
            session.execute("CREATE DATABASE shop_data")
        with psycopg.connect(url.replace("/postgres?", "/shop_data?"), autocommit=True) as session:
            session.execute("CREATE TABLE words (word text)")
            session.execute("INSERT INTO words VALUES ('prepared')")
        yield url, port
        client.remove_container(container)
    engine_process.remove_image(engine, POSTGRES_IMAGE)


def own_address() -> str:
    """This machine's address in the network that has its default route. Nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))
        return str(probe.getsockname()[0])


def responds(url: str) -> bool:
    try:
        psycopg.connect(url, connect_timeout=2).close()
    except psycopg.OperationalError:
        return False
    return True


def owned(url: str) -> list[str]:
    with psycopg.connect(url, autocommit=True) as session:
        databases_ = session.execute("SELECT datname FROM pg_database WHERE datname LIKE 'eph\\_%'").fetchall()
        roles = session.execute("SELECT rolname FROM pg_roles WHERE rolname LIKE 'eph\\_%'").fetchall()
    return sorted(str(row[0]) for row in [*databases_, *roles])


@pytest.mark.real
@pytest.mark.long
@pytest.mark.exhaustive
@pytest.mark.timeout(300)
def test_database_takes_the_place_of_a_service(
    engine: Path, server: tuple[str, int], tmp_path: Path, repository: Repository
) -> None:
    """Cloned from a prepared database, kept by a push, seeded by scripts instead, and gone with the environment."""
    url, port = server
    address = own_address()
    machine = compose_machine.machine(
        engine,
        tmp_path,
        repository,
        postgres=url,
        postgres_address=f"{address}:{port}",
        templates="shop=shop_data",
    )
    machine.files = {"compose.yaml": COMPOSE, "srv/web.py": WEB}
    cloned = replaced(DatabaseSpec("main", strategy="template", source="shop"))
    machine.publish(machine.push(), databases=(cloned,))
    assert machine.containers().keys() == {"web"}
    assert '"prepared"' in machine.read("/")
    assert machine.read("/").count(address) == 2, "the service's name and its alias lead to the server"

    lines = TARGET.logs(NAME, machine.raw_settings, LogRequest(service="web")).lines
    assert any(line.startswith("has *** for postgresql://") and ":***@" in line for line in lines), "redacted (S4)"

    machine.publish(machine.push(more="a push"), databases=(cloned,))
    assert '"x"' in machine.read("/"), "the rows of before"

    seeded = replaced(DatabaseSpec("main", strategy="seed", scripts=("one.sql", "two.sql")))
    broken = machine.push(**{"one.sql": "CREATE TABLE words (word text);\nSELECT 1/0;\n", "two.sql": ""})
    with pytest.raises(TargetError, match=wording.seed_failed("main", 3)) as error:
        machine.publish(broken, databases=(seeded,))
    assert any("division by zero" in line for line in error.value.tail)
    assert '"prepared"' in machine.read("/"), "the previous commit is live, with its database"

    sound = {"one.sql": "CREATE TABLE words (word text);\n", "two.sql": "INSERT INTO words VALUES ('seeded');\n"}
    machine.publish(machine.push(**sound), databases=(seeded,))
    assert '"seeded"' in machine.read("/")
    assert owned(url) == [seeded.database] * 2, "a database and its role; those of the earlier commit are gone"

    TARGET.purge(NAME, machine.raw_settings)
    assert (owned(url), TARGET.list_remaining(machine.raw_settings)) == ([], [])


def replaced(spec: DatabaseSpec) -> ReplacedService:
    name = hidden_names.database_name(NAME, spec)
    return ReplacedService("db", spec.name, name, spec.variable, spec.source, spec.scripts)
