"""Seeds whose tables come from migrations, on a real server (D2)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from programs.kit.database import environment_databases
from programs.spec import CommandSpec, DatabaseSpec
from programs.targets.local import connectivity, seeds
from programs.targets.local.seeds import SeedRun
from tests.targets.isolated_machine import SHOP, Isolated, psql
from tests.targets.local_machine import APP, LocalMachine, Repository, database_session
from tests.targets.pulumi_driver import PulumiFailed

pytestmark = pytest.mark.real
DATABASE = "eph_shop_seeded"


@pytest.mark.long
def test_migrations_run_before_a_seed_that_needs_their_tables(isolated: Isolated) -> None:
    """Also when the seed was interrupted and starts again on an empty database."""
    workspace, url = isolated.workspace(SHOP), environment_databases.create(isolated.here, SHOP, DATABASE)
    (workspace.checkout / "rows.sql").write_text("insert into items values ('seeded');")
    inside = connectivity.inside_url(isolated.here, url)
    migrate = (f'{psql()} -q "$DATABASE_URL" -c "create table items (name text)"', 20)
    run = SeedRun(SHOP, "main", DATABASE, inside, ("rows.sql",), None, {"DATABASE_URL": inside}, migrate=migrate)
    for _ in range(2):
        seeds.run(isolated.here, workspace, run)
        with database_session(isolated.here, url) as session:
            assert session.execute("select name from items").fetchall() == [("seeded",)]
        environment_databases.set_seed_state(isolated.here, SHOP, DATABASE, environment_databases.SEEDING)


MIGRATE = 'psql -q "$DATABASE_URL" -c "create table if not exists items (name text)"'


@pytest.mark.long
@pytest.mark.timeout(300)
def test_migrate_first_fills_the_tables_of_the_migrations_once(pulumi: LocalMachine, repository: Repository) -> None:
    """D2, issue 14 item 10: with the real Pulumi; the same file with seed-first fails."""
    rows = "insert into items values ('seeded');"
    commit = repository.push({"app.py": APP, "version.txt": "one", "migrate.sh": MIGRATE, "rows.sql": rows})
    database = DatabaseSpec("db", strategy="seed", scripts=("rows.sql",), migrate=CommandSpec("sh migrate.sh", 30))
    spec = pulumi.spec(repository, commit, databases=(database,))
    with pytest.raises(PulumiFailed, match='relation "items" does not exist'):
        pulumi.up(spec)
    spec = replace(spec, databases=(replace(database, migrate_first=True),))
    for version in ("one", "two"):
        source = replace(spec.source, commit=repository.push({"version.txt": version}))
        url = pulumi.up(replace(spec, source=source))["database_urls"]["db"]
        assert pulumi.get() == version
        with database_session(pulumi.settings, url) as session:
            assert session.execute("select name from items").fetchall() == [("seeded",)]
    pulumi.destroy()
    assert pulumi.remaining() == []
