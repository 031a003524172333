"""Seeding a database, failures and changes, on a real Kubernetes (D1, D2, L5, L8).

The next attempt reruns what failed, and doesn't repeat what was done.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from programs.spec import CommandSpec, DatabaseSpec, EnvironmentSpec
from tests.cluster.environments import SCHEMA, OperationRunner, Page

pytestmark = pytest.mark.real
ROWS = "INSERT INTO fruit VALUES ('cherry');"
ONLY_LATER = (
    'psql "$DATABASE_URL" -X -q -v ON_ERROR_STOP=1 -c "CREATE TABLE IF NOT EXISTS tries (at timestamptz DEFAULT now());'
    ' INSERT INTO tries DEFAULT VALUES" && test "$(psql "$DATABASE_URL" -XAtc "SELECT count(*) FROM tries")" -gt 1'
)
MAIN = DatabaseSpec(
    "main", strategy="seed", scripts=("db/schema.sql", "db/rows.sql"), migrate=CommandSpec(ONLY_LATER, timeout=60)
)


def push_spec(eph: OperationRunner, **scripts: str) -> EnvironmentSpec:
    files = {"db/schema.sql": SCHEMA, "db/rows.sql": ROWS, **{f"db/{name}.sql": text for name, text in scripts.items()}}
    return eph.spec(91, eph.repository.push(files), databases=(MAIN,))


def rows(eph: OperationRunner, spec: EnvironmentSpec) -> list[str]:
    return Page(eph.site, spec.host).wait_for_text("/query", sql="select name from fruit order by 1").splitlines()


@pytest.fixture(scope="module")
def good_spec(eph: OperationRunner) -> EnvironmentSpec:
    return push_spec(eph)


def test_failing_script_is_reported_and_fixed_by_a_push(eph: OperationRunner, good_spec: EnvironmentSpec) -> None:
    """All scripts of a seed, or none."""
    bad = push_spec(eph, rows="INSERT INTO vegetables VALUES (1);")
    for _ in range(2):
        eph.assert_failed(eph.up(bad), "seed main", "psql:db/rows.sql:1: ERROR", "vegetables")
    eph.assert_failed(eph.up(good_spec), "migrate main", "exit status 1")


def test_next_attempt_runs_only_what_failed(eph: OperationRunner, good_spec: EnvironmentSpec) -> None:
    """D2, L5: of the same commit, although nothing has changed."""
    eph.assert_succeeded(eph.up(good_spec))
    assert rows(eph, good_spec) == ["apple", "cherry", "pear"]
    again = eph.up(good_spec)
    eph.assert_succeeded(again)
    assert {key: count for key, count in again.changes.items() if key != "same"} == {}


def test_changed_seed_leaves_existing_data(eph: OperationRunner) -> None:
    """As on the target local: seeded data stays until a new database is requested."""
    spec = push_spec(eph, rows="INSERT INTO fruit VALUES ('plum');", schema=f"{SCHEMA} -- and more")
    eph.assert_succeeded(eph.up(spec))
    assert rows(eph, spec) == ["apple", "cherry", "pear"]
    another = replace(spec, databases=(replace(MAIN, scripts=("db/rows.sql", "db/schema.sql")),))
    eph.assert_failed(eph.up(another), "psql:db/rows.sql:1: ERROR", "fruit")
    eph.assert_succeeded(eph.down(91))
    assert eph.remaining() == []
