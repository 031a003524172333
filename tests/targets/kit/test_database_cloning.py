"""Cloning prepared databases on a real PostgreSQL: complete, one at a time, never shared (D1, D3).

One server for the module. To the Kubernetes target it is the server that environments share.
"""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
from pulumi.runtime import set_mocks

from programs.kit import identifiers
from programs.kit.database import cloning, environment_databases, postgres
from programs.kit.errors import TargetError
from programs.kit.waiting import wait_until
from programs.spec import DatabaseSpec, EnvironmentSpec, GitSource, ServiceSpec
from programs.targets.kubernetes import settings as kubernetes_settings
from programs.targets.kubernetes import shared_postgres
from programs.targets.kubernetes.errors import KubernetesError
from programs.targets.kubernetes.settings import KubernetesSettings
from programs.targets.local import settings as local_settings
from programs.targets.local.local_program import LocalProgram
from programs.targets.local.target import TARGET
from tests.targets.kubernetes.recorded_program import RecordedProgram, event_loop, run_program
from tests.targets.local_machine import LocalMachine

PREPARED = """
CREATE TYPE colour AS ENUM ('red', 'green');
CREATE SCHEMA stock;
CREATE TABLE fruit (id serial PRIMARY KEY, name text, colour colour);
CREATE TABLE stock.crate (id int GENERATED ALWAYS AS IDENTITY, fruit int REFERENCES fruit);
CREATE SEQUENCE free;
CREATE VIEW reds AS SELECT * FROM fruit WHERE colour = 'red';
CREATE MATERIALIZED VIEW counts AS SELECT count(*) FROM fruit;
CREATE FUNCTION "how many {}"() RETURNS bigint LANGUAGE sql AS 'SELECT count(*) FROM fruit';
CREATE TABLE parts (id int) PARTITION BY RANGE (id);
CREATE TABLE parts_low PARTITION OF parts FOR VALUES FROM (0) TO (10);
INSERT INTO fruit (name, colour) VALUES ('apple', 'red'), ('pear', 'green');
"""


@pytest.fixture(scope="module")
def machine() -> Iterator[LocalMachine]:
    folder = Path(tempfile.mkdtemp(prefix="eph-local-"))
    # Without a sandbox, the server listens on a port, at which these tests connect as its environments.
    made = LocalMachine(folder, {"root": str(folder / "root"), "routes": str(folder / "routes"), "sandbox": "none"})
    TARGET.ensure(made.raw_settings)
    with postgres.connect(made.settings) as session:
        session.execute("CREATE ROLE preparer LOGIN PASSWORD 'x'")
        session.execute("CREATE DATABASE prepared OWNER preparer")
    with postgres.connect(made.settings, "prepared") as session:
        session.execute("GRANT CREATE ON SCHEMA public TO preparer; SET ROLE preparer")
        session.execute(PREPARED)  # psycopg wants a literal
        session.execute("RESET ROLE; CREATE TABLE of_the_administrator (x int)")
    try:
        yield made
    finally:
        TARGET.stop(made.raw_settings)
        shutil.rmtree(folder)


@contextlib.contextmanager
def connect(url: str) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    with contextlib.closing(psycopg.connect(url, autocommit=True)) as session:
        yield session


def test_clone_belongs_to_its_environment_and_source_is_unchanged(machine: LocalMachine) -> None:
    """Whoever created the content: the environment's migrations can change, and its tests drop, everything."""
    url = environment_databases.create(machine.settings, "one", "eph_one", "prepared")
    with connect(url) as session:
        session.execute("INSERT INTO fruit (name, colour) VALUES ('plum', 'red')")
        session.execute("INSERT INTO stock.crate (fruit) VALUES (3); SELECT nextval('free')")
        session.execute("REFRESH MATERIALIZED VIEW counts; ALTER VIEW reds RENAME TO reddish")
        session.execute("ALTER TABLE parts ADD COLUMN more int; INSERT INTO parts VALUES (1, 2)")
        session.execute("ALTER TYPE colour ADD VALUE 'blue'; ALTER TABLE of_the_administrator ADD COLUMN y int")
        assert session.execute('SELECT "how many {}"()').fetchone() == (3,)
        session.execute('DROP SCHEMA stock CASCADE; DROP FUNCTION "how many {}"; CREATE TABLE mine (x int)')
    with postgres.connect(machine.settings, "prepared") as session:
        assert session.execute("SELECT count(*) FROM fruit").fetchone() == (2,)
        owner = "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = 'prepared'"
        assert session.execute(owner).fetchone() == ("preparer",)
    other = environment_databases.create(machine.settings, "two", "eph_two", "prepared")
    with pytest.raises(psycopg.OperationalError, match="permission denied"):
        psycopg.connect(other, dbname="eph_one").close()
    environment_databases.drop(machine.settings, ["eph_one", "eph_two"])
    assert environment_databases.list_owned(machine.settings) == []


def test_a_template_shared_by_two_versions_outlives_the_deletion_of_one(machine: LocalMachine) -> None:
    """M5: the template is released, not deleted; the other version keeps its data, and a third can be created."""
    urls = {name: environment_databases.create(machine.settings, name, f"eph_{name}", "prepared") for name in "ab"}
    for name, url in urls.items():
        with connect(url) as session:
            session.execute("INSERT INTO fruit (name, colour) VALUES (%s, 'red')", [name])
    environment_databases.drop(machine.settings, ["eph_a"])
    with connect(urls["b"]) as session:
        names = session.execute("SELECT name FROM fruit ORDER BY name").fetchall()
    assert names == [("apple",), ("b",), ("pear",)]
    with connect(environment_databases.create(machine.settings, "c", "eph_c", "prepared")) as session:
        assert session.execute("SELECT count(*) FROM fruit").fetchone() == (2,)
    environment_databases.drop(machine.settings, ["eph_b", "eph_c"])


@pytest.mark.long
def test_source_that_is_in_use_or_missing_is_reported_and_leaves_nothing_behind(machine: LocalMachine) -> None:
    with postgres.connect(machine.settings, "prepared"), pytest.raises(TargetError, match="prepared is in use"):
        environment_databases.create(machine.settings, "one", "eph_one", "prepared")
    with pytest.raises(TargetError, match="no prepared database missing"):
        environment_databases.create(machine.settings, "one", "eph_one", "missing")
    assert {item.kind for item in environment_databases.list_owned(machine.settings)} == {"ROLE"}, (
        "found by name, made anew next time"
    )
    environment_databases.create(machine.settings, "one", "eph_one", "prepared")
    environment_databases.drop(machine.settings, ["eph_one"])


def test_clones_run_one_at_a_time(machine: LocalMachine) -> None:
    """Parallel copies only compete for the disk."""
    made: list[str] = []
    waits = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"

    def clone() -> None:
        made.append(environment_databases.create(machine.settings, "one", "eph_one", "prepared"))

    thread = threading.Thread(target=clone)
    with postgres.connect(machine.settings) as session, cloning.clone_queue(session):
        thread.start()
        assert wait_until(lambda: session.execute(waits).fetchone() == (1,), 20)
        assert made == []
    thread.join()
    assert len(made) == 1
    environment_databases.drop(machine.settings, ["eph_one"])


def test_local_target_clones_only_configured_templates(machine: LocalMachine) -> None:
    """Y4: eph.yaml names it, and the server maps the name to a database; another source gives another database."""
    spec = EnvironmentSpec(
        name="shop-a-42",
        host="shop-a-42.localhost",
        target="local",
        project="shop",
        source=GitSource("/origin.git", "a" * 40, "feature"),
        services=(ServiceSpec("web", "run"),),
        databases=(DatabaseSpec("main", strategy="template", source="shop"),),
        settings={**machine.raw_settings, "templates": "shop=prepared,tiny=prepared_tiny"},
    )
    with event_loop():
        set_mocks(found := RecordedProgram(), project="eph-shop-1", stack="pr-42", preview=False)
        run_program(LocalProgram(spec, local_settings.from_mapping(spec.settings), "test").build)
    assert found.resources["database-main"]["source"] == "prepared"
    other = replace(spec, databases=(DatabaseSpec("main", strategy="template", source="tiny"),))
    assert identifiers.database_name(spec.name, spec.databases[0]) != identifiers.database_name(
        spec.name, other.databases[0]
    )
    TARGET.program(spec)
    with pytest.raises(TargetError, match=r"unknown prepared database 'else'\. Known: shop, tiny"):
        TARGET.program(replace(spec, databases=(DatabaseSpec("main", strategy="template", source="else"),)))


@pytest.fixture
def settings(machine: LocalMachine, tmp_path: Path) -> KubernetesSettings:
    host, port = postgres.address(machine.settings)
    password = (machine.settings.root / "postgres" / "password").read_text()
    told = {
        "root": str(tmp_path),
        "server": "eph",
        "postgres": f"postgresql://{postgres.ADMIN}:{password}@{host}:{port}/postgres?sslmode=prefer",
        "templates": "shop=prepared",
    }
    return kubernetes_settings.from_mapping(told)


def test_shared_server_isolates_environments_and_reveals_no_names(settings: KubernetesSettings) -> None:
    """S3, S5: listing a server's databases reveals nothing about its environments."""
    spec = DatabaseSpec("main", strategy="template", source="shop")
    shared_postgres.save_admin_url(settings)
    assert (settings.root / shared_postgres.ADMIN_URL_FILE).stat().st_mode & 0o077 == 0
    name, other = (
        shared_postgres.database_name(environment, spec) for environment in ("shop-gentle-stream-1", "shop-x-2")
    )
    assert name != other != shared_postgres.database_name("shop-x-2", replace(spec, source="else"))
    url = shared_postgres.create(str(settings.root), "shop-gentle-stream-1", name, "prepared")
    shared_postgres.create(str(settings.root), "shop-x-2", other, "")
    with connect(url) as session:
        assert session.execute("SELECT count(*) FROM fruit").fetchone() == (2,)
        told = session.execute(
            "SELECT datname || coalesce(shobj_description(oid, 'pg_database'), '') FROM pg_database UNION ALL "
            "SELECT rolname || coalesce(shobj_description(oid, 'pg_authid'), '') FROM pg_roles"
        ).fetchall()
        assert not [text for (text,) in told if "gentle" in str(text)]
    assert shared_postgres.exists(str(settings.root), name)
    shared_postgres.drop_all(settings, "shop-gentle-stream-1")
    assert {item.environment for item in shared_postgres.list_owned(settings)} == {
        shared_postgres.environment_digest("shop-x-2")
    }
    assert not shared_postgres.exists(str(settings.root), name)
    shared_postgres.drop_all(settings, "shop-x-2")
    assert shared_postgres.list_owned(settings) == []


def test_address_of_a_shared_server_for_pods(settings: KubernetesSettings) -> None:
    made = "postgresql://r:p@127.0.0.1:5000/d"
    there = replace(settings, postgres_address="db.example.internal:6432")
    assert shared_postgres.pod_url(made, there) == "postgresql://r:p@db.example.internal:6432/d?sslmode=prefer"
    assert shared_postgres.network_peers(settings) == [{"ipBlock": {"cidr": "127.0.0.1/32"}}]
    inside = replace(settings, postgres_address="postgres.data.svc.cluster.local")
    assert shared_postgres.network_peers(inside) == [
        {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "data"}}}
    ]
    assert shared_postgres.address(inside)[0] == "postgres.data.svc.cluster.local"
    with pytest.raises(KubernetesError, match="Can't resolve the shared PostgreSQL server"):
        shared_postgres.network_peers(replace(settings, postgres_address="nowhere.invalid"))
    with pytest.raises(KubernetesError, match="isn't configured"):
        shared_postgres.server_settings("/nowhere/at/all")


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"databases": "shared"}, "'databases' requires a shared PostgreSQL server"),
        ({"templates": "a=b"}, "'templates' requires a shared PostgreSQL server"),
        ({"databases": "elsewhere"}, "use one of: namespace, shared"),
        ({"postgres": "postgresql://x", "postgres_address": "a b"}, "use host or host:port"),
    ],
)
def test_settings_that_require_a_shared_server_are_rejected_without_one(changes: dict[str, str], why: str) -> None:
    with pytest.raises(KubernetesError, match=why):
        kubernetes_settings.from_mapping({"root": "/nowhere", "server": "eph", **changes})
