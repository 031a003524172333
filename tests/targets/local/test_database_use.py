"""A database that no service connects to is found by PostgreSQL's own counts (D3, P1)."""

from __future__ import annotations

import time

import pytest

from programs.inventory import UNUSED_DATABASES
from programs.kit.database import environment_databases
from programs.kit.processes import sandbox
from programs.targets.local import cleanup, connectivity, database_use, liveness
from programs.targets.local.database_use import DeclaredDatabase
from programs.targets.local.v1.serving import ServiceProvider
from tests.targets.isolated_machine import GENERATION, PORT, SHOP, Isolated, psql
from tests.targets.local_machine import wait_for

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(not sandbox.works(), reason="bubblewrap can't create its namespaces here"),
]
USED, UNUSED = "eph_shop_1_used", "eph_shop_1_unused"
DECLARED = (DeclaredDatabase("main", "DATABASE_URL", USED), DeclaredDatabase("spare", "SPARE_URL", UNUSED))
VERSION = f"{GENERATION} made"


@pytest.fixture
def shop(isolated: Isolated) -> dict[str, str]:
    """The URLs of its two databases, as its services use them."""
    isolated.workspace(SHOP)
    return {
        item.variable: connectivity.inside_url(
            isolated.here, environment_databases.create(isolated.here, SHOP, item.name)
        )
        for item in DECLARED
    }


def begin(isolated: Isolated, version: str = VERSION) -> None:
    database_use.begin(isolated.here, SHOP, version, DECLARED, time.time() - 1)


def unused(isolated: Isolated) -> list[str]:
    return [item.title for name, item in database_use.list_unused(isolated.here, time.time()) if name == SHOP]


def connect(isolated: Isolated, url: str) -> None:
    isolated.run(SHOP, f"{psql()} -X -q -c 'SELECT 1' \"$URL\"", URL=url)


@pytest.mark.long
def test_only_the_database_that_nothing_connects_to_is_unused(isolated: Isolated, shop: dict[str, str]) -> None:
    connect(isolated, shop["SPARE_URL"])  # such as a migration
    begin(isolated)
    assert unused(isolated) == ["main", "spare"]
    connect(isolated, shop["DATABASE_URL"])
    assert wait_for(lambda: unused(isolated) == ["spare"])
    # Other services of the version don't begin again, a new commit does.
    begin(isolated)
    assert unused(isolated) == ["spare"]
    begin(isolated, "another")
    assert unused(isolated) == ["main", "spare"]


def test_databases_in_use_are_looked_up_no_more(isolated: Isolated, shop: dict[str, str]) -> None:
    begin(isolated)
    for url in shop.values():
        connect(isolated, url)
    assert wait_for(lambda: unused(isolated) == [])
    environment_databases.drop(isolated.here, [USED, UNUSED])
    assert unused(isolated) == []


def test_nothing_is_unused_before_the_deadline_or_after_it_is_gone(isolated: Isolated, shop: dict[str, str]) -> None:
    assert shop
    database_use.begin(isolated.here, SHOP, VERSION, DECLARED, time.time() + 60)
    assert unused(isolated) == []
    begin(isolated, "another")
    environment_databases.drop(isolated.here, [UNUSED])
    assert unused(isolated) == ["main"]
    cleanup.purge(isolated.here, SHOP)
    assert unused(isolated) == []


@pytest.mark.long
def test_app_that_ignores_its_database_is_reported(isolated: Isolated, shop: dict[str, str]) -> None:
    """As the loop sees it: an app ran on SQLite unnoticed."""
    props = {
        "root": str(isolated.here.root), "environment": SHOP, "generation": GENERATION, "service": "web",
        "command": "exec python3 app.py", "port": PORT, "path": "/version", "deadline": 10, "data": "made",
        "env": {**shop, "PORT": str(PORT), "EPH_COMMIT": isolated.commit},
        "databases": [{"title": item.title, "variable": item.variable, "name": item.name} for item in DECLARED],
    }  # fmt: skip
    ServiceProvider().make(isolated.here, props)
    assert liveness.live_resources(isolated.here)[UNUSED_DATABASES] == frozenset()
    [record] = isolated.here.envs.glob(f"*/run/{database_use.FILE}")
    late = record.read_text().replace('"until": ', '"until": -')
    record.write_text(late)
    expected = {f"{SHOP}/main/DATABASE_URL", f"{SHOP}/spare/SPARE_URL"}
    assert liveness.live_resources(isolated.here)[UNUSED_DATABASES] == expected
