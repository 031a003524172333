"""Seeds whose tables come from migrations, on a real server (D2)."""

from __future__ import annotations

import pytest

from programs.kit.database import environment_databases
from programs.targets.local import connectivity, seeds
from programs.targets.local.seeds import SeedRun
from tests.targets.isolated_machine import SHOP, Isolated, psql
from tests.targets.local_machine import database_session

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
