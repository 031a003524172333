"""Masked snapshots and read replicas: what the operator must set, what is created, and a mask on a real PostgreSQL.
D1, S3, S4."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest

from programs.spec import CommandSpec, DatabaseSpec, EnvironmentSpec
from programs.targets.aws import spec_checks
from programs.targets.aws.api import existing_parts
from programs.targets.aws.api.existing_parts import FoundSnapshot
from programs.targets.aws.errors import AwsError
from programs.targets.aws.program import masking
from programs.targets.aws.settings import AwsSettings
from programs.targets.aws.v1.providers import RestoredFromProvider
from tests.ledger import postgres_server
from tests.ledger.postgres_server import PASSWORD, PostgresServer
from tests.targets.aws.aws_account import AwsAccount
from tests.targets.aws.recorded_program import OWN_NETWORK, SETTINGS, WEB, RecordedProgram, aws_spec, record_program
from tests.targets.aws.test_program_shape import containers
from tests.targets.isolated_machine import psql

MASK = "UPDATE people SET mail = 'person-' || number || '@example.com';\n"
REPLICA = "postgresql://reader:hunter2-secret@replica.test:5432/shop"
TAKEN = datetime(2026, 11, 28, 2, 30, tzinfo=UTC)
FOUND = FoundSnapshot("rds:production-2026-11-28", "owner", TAKEN, 100)


@pytest.fixture
def settings(tmp_path: Path) -> AwsSettings:
    (tmp_path / "mask.sql").write_text(MASK)
    (tmp_path / "replica.url").write_text(f"{REPLICA}\n")
    return replace(
        SETTINGS,
        snapshots="shop=production/shop_db",
        masks=f"shop={tmp_path / 'mask.sql'}",
        read_replicas=f"reports={tmp_path / 'replica.url'}",
    )


def spec(strategy: str, source: str, **more: Any) -> EnvironmentSpec:
    return aws_spec(WEB, databases=(DatabaseSpec("main", strategy=strategy, source=source, **more),))


def restored(settings: AwsSettings) -> RecordedProgram:
    return record_program(spec("snapshot", "shop"), settings, replace(OWN_NETWORK, snapshots={"main": FOUND}))


@pytest.mark.parametrize(
    ("changes", "given", "message"),
    [
        ({}, spec("snapshot", "blog"), "setting 'snapshots' has no 'blog'; it has: shop"),
        ({"snapshots": "shop=production"}, spec("snapshot", "shop"), "use INSTANCE/DATABASE"),
        ({"snapshots": "shop"}, spec("snapshot", "shop"), "isn't NAME=VALUE"),
        ({"masks": ""}, spec("snapshot", "shop"), "unmasked data is never restored"),
        ({"masks": "shop=/nowhere.sql"}, spec("snapshot", "shop"), "/nowhere.sql can't be read"),
        ({}, spec("read_replica", "shop"), "setting 'read_replicas' has no 'shop'; it has: reports"),
        ({"read_replicas": "reports=/nowhere"}, spec("read_replica", "reports"), "/nowhere can't be read"),
        ({}, spec("read_replica", "reports", migrate=CommandSpec("bin/migrate")), "can't be migrated"),
    ],
)
def test_what_the_server_does_not_offer_is_an_error(
    settings: AwsSettings, changes: dict[str, str], given: EnvironmentSpec, message: str
) -> None:
    with pytest.raises(AwsError, match=message):
        spec_checks.check(given, replace(settings, **changes))


def test_file_of_a_replica_must_contain_a_url(settings: AwsSettings, tmp_path: Path) -> None:
    (tmp_path / "replica.url").write_text("reader:hunter2")
    with pytest.raises(AwsError, match="starts with postgresql://") as caught:
        spec_checks.check(spec("read_replica", "reports"), settings)
    assert "hunter2" not in str(caught.value)


def secret_values(made: RecordedProgram) -> dict[str, str]:
    """Pulumi marks them, so that its state encrypts them."""
    return {name: item["secretString"]["value"] for name, item in made.of("secretsmanager/secretVersion").items()}


def test_read_replica_creates_no_database_and_hides_the_url(settings: AwsSettings) -> None:
    made = record_program(spec("read_replica", "reports"), settings)
    assert made.of("rds/instance") == made.of("rds/subnetGroup") == {}
    assert secret_values(made) == {"secret-database-main": REPLICA}
    web = containers(made.of("ecs/taskDefinition"))["service-web"]
    assert [item["name"] for item in web["secrets"]] == ["DATABASE_URL"]
    assert "hunter2" not in str(made.of("ecs/taskDefinition"))


def test_restored_database_is_masked_before_services_have_a_role(settings: AwsSettings) -> None:
    """Only Eph's own step gets the instance's password, and it runs in the operator's image."""
    made = restored(settings)
    (database,) = made.of("rds/instance").values()
    assert (database["snapshotIdentifier"], database["allocatedStorage"]) == (FOUND.id, 100)
    assert not {"username", "dbName", "engine"} & database.keys(), "they are the snapshot's"
    definitions = containers(made.of("ecs/taskDefinition"))
    assert [item["name"] for item in definitions["service-web"]["secrets"]] == ["DATABASE_URL"]
    mask = definitions["run-mask-main"]
    assert [item["name"] for item in mask["secrets"]] == ["MASK_SQL", "MASK_URL", "ROLE_SQL"]
    assert mask["image"] == settings.mask_image
    assert "environment" not in mask, "nothing of the repository"
    values = secret_values(made)
    assert values["secret-database-main"].startswith(f"postgresql://{masking.ROLE}:")
    assert values["secret-mask_url-main"] == "postgresql://owner:generated@db.test:5432/shop_db?sslmode=require"
    assert values["secret-mask_sql-main"] == MASK
    notice = "masked data of the snapshot rds:production-2026-11-28, taken 2026-11-28 02:30 UTC"
    assert any(notice in str(inputs.get("newest")) for inputs in made.resources.values())


def test_later_builds_still_name_the_snapshot_that_was_restored() -> None:
    """The database isn't restored again when AWS creates a newer snapshot."""
    first = {"of": "eph-main-1", "newest": "of Monday"}
    provider = RestoredFromProvider()
    kept = provider.create(first).outs
    assert kept is not None
    assert kept["value"] == "of Monday"
    later = provider.diff("1", kept, {**first, "newest": "of Tuesday"})
    assert (later.changes, later.replaces) == (False, [])
    assert provider.diff("1", kept, {**first, "of": "eph-main-2"}).replaces == ["of"]


def test_another_instance_or_another_mask_means_another_run(settings: AwsSettings) -> None:
    def key() -> str:
        tasks = restored(settings).resources
        return next(str(inputs["run"]) for name, inputs in tasks.items() if name.endswith(" mask-main"))

    first = key()
    assert first.startswith("db-1/")
    assert key() == first
    Path(settings.masks.partition("=")[2]).write_text("SELECT 1;")
    assert key() != first


@pytest.mark.real
@pytest.mark.long
def test_newest_encrypted_snapshot_is_found_before_anything_changes(account: AwsAccount, tmp_path: Path) -> None:
    (tmp_path / "mask.sql").write_text(MASK)
    settings = {"snapshots": "shop=production/shop_db", "masks": f"shop={tmp_path / 'mask.sql'}"}
    clients, databases = account.clients(**settings), spec("snapshot", "shop").databases
    with pytest.raises(AwsError, match="production has no available PostgreSQL snapshot"):
        existing_parts.look_up(clients, databases)

    rds = account.clients().client("rds")
    instance = {"DBInstanceClass": "db.t4g.micro", "Engine": "postgres", "AllocatedStorage": 100}
    login = {"MasterUsername": "owner", "MasterUserPassword": "long-enough-1"}
    for name, encrypted in (("production", True), ("plain", False)):
        rds.create_db_instance(DBInstanceIdentifier=name, StorageEncrypted=encrypted, **instance, **login)
        rds.create_db_snapshot(DBInstanceIdentifier=name, DBSnapshotIdentifier=f"{name}-1")
    found = existing_parts.look_up(clients, databases).snapshots["main"]
    assert (found.id, found.user, found.storage_gb) == ("production-1", "owner", 100)
    with pytest.raises(AwsError, match="plain-1 isn't encrypted"):
        existing_parts.look_up(account.clients(**{**settings, "snapshots": "shop=plain/shop_db"}), databases)


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    with postgres_server.running_server() as found:
        yield found


@pytest.fixture(scope="module")
def snapshot(server: PostgresServer) -> PostgresServer:
    """As RDS has it: the owner isn't a superuser, and some tables belong to another role."""
    with server.session() as session:
        session.execute(f"CREATE ROLE owner LOGIN CREATEROLE CREATEDB PASSWORD '{PASSWORD}'")
        session.execute("CREATE ROLE billing ROLE owner")
        session.execute("CREATE DATABASE shop_db OWNER owner")
    with server.session("shop_db") as session:
        session.execute("SET ROLE owner")
        session.execute("CREATE TABLE people (number serial, mail text)")
        session.execute("INSERT INTO people (mail) VALUES ('ada@acme.com'), ('bob@acme.com')")
        session.execute("CREATE SCHEMA stock")
        session.execute("CREATE VIEW stock.everyone AS SELECT mail FROM people")
        session.execute("CREATE FUNCTION stock.one() RETURNS int LANGUAGE sql AS 'SELECT 1'")
        session.execute("RESET ROLE")
        session.execute("CREATE TABLE invoices (amount int)")
        session.execute("ALTER TABLE invoices OWNER TO billing")
    return server


@pytest.mark.real
@pytest.mark.timeout(120)
def test_nobody_can_connect_until_the_mask_has_succeeded(snapshot: PostgresServer) -> None:
    app = f"postgresql://{masking.ROLE}:the-password@127.0.0.1:{snapshot.port}/shop_db"
    broken = mask(snapshot, "".join([MASK, "TABLE person;"]))
    assert broken.returncode != 0
    assert 'relation "person" does not exist' in broken.stderr
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(app)

    for _ in range(2):  # again for another mask
        done = mask(snapshot, MASK)
        assert done.returncode == 0, done.stderr
    with psycopg.connect(app) as session:
        mails = session.execute("SELECT mail FROM people ORDER BY number").fetchall()
        assert mails == [("person-1@example.com",), ("person-2@example.com",)]
        for migration in (
            "ALTER TABLE people ADD COLUMN name text",
            "ALTER TABLE invoices ADD COLUMN paid boolean",
            "ALTER VIEW stock.everyone RENAME TO all_people",
            "CREATE OR REPLACE FUNCTION stock.one() RETURNS int LANGUAGE sql AS 'SELECT 2'",
            "CREATE TABLE stock.new (x int)",
            "CREATE TABLE new (x int)",
        ):
            session.execute(migration)
    with snapshot.session("shop_db") as session:
        session.execute("CREATE EXTENSION pageinspect")
        rows = session.execute("SELECT count(*) FROM heap_page_items(get_raw_page('people', 0))").fetchall()
        assert rows == [(2,)], "no page contains the old rows"


def mask(server: PostgresServer, sql: str) -> subprocess.CompletedProcess[str]:
    """As the task runs it."""
    env = {
        "PATH": f"{Path(psql()).parent}:{os.defpath}",
        "MASK_URL": f"postgresql://owner:{PASSWORD}@127.0.0.1:{server.port}/shop_db",
        "MASK_SQL": sql,
        "ROLE_SQL": masking.role_sql("the-password"),
    }
    return subprocess.run(["sh", "-c", masking.COMMAND], env=env, capture_output=True, text=True, check=False)
