"""What others do to an environment behind Eph's back, on a real cluster: seen by the watch, named, and mended by the
next operation, as ephd's loop has it carried out (L9, C2).

One environment; the tests stand on each other in this order.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from orchestrator.core import drifts
from orchestrator.core.drifts import Drift, Loss
from programs.kubernetes import names, settings, standing
from programs.kubernetes.target import TARGET
from programs.spec import EnvironmentSpec
from tests.cluster.environments import DATABASE, Eph, Page
from tests.cluster.machines import eventually

pytestmark = [pytest.mark.real, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def spec(eph: Eph) -> EnvironmentSpec:
    made = eph.spec(81, eph.repository.push({"a": "1"}), databases=(DATABASE,))
    eph.well(eph.up(made))
    return made


def lost(eph: Eph) -> tuple[Drift, ...]:
    """As the loop sees it at each look."""
    return drifts.lost(eph.record(81), TARGET.standing(eph.settings))


def whole(eph: Eph, spec: EnvironmentSpec) -> None:
    assert eventually(lambda: lost(eph) == (), 30)
    page = Page(eph.site, spec.host)
    assert spec.source.commit in page.text()
    assert page.text("/query", sql="select count(*) from fruit") == "3", "seeded and migrated, once"


def test_what_was_made_stands_and_nothing_else_is_there(eph: Eph, spec: EnvironmentSpec) -> None:
    assert lost(eph) == ()
    on = settings.from_mapping(eph.settings)
    assert eventually(lambda: standing.watching(on), 30), "the watch took over from the lists"
    whole(eph, spec)
    held = {thing.part for thing in TARGET.holdings(eph.settings)}
    assert {part for part in held if part not in eph.record(81).parts} == set()


def test_what_somebody_deleted_changed_and_added_is_named_and_mended(eph: Eph, spec: EnvironmentSpec) -> None:
    kubectl, space = eph.site.kubectl, spec.name
    changed = [{"op": "replace", "path": "/spec/selector", "value": {"app": "another"}}]
    kubectl("-n", space, "patch", "service", "web", "--type=json", "-p", json.dumps(changed))
    kubectl("-n", space, "delete", "deployment,statefulset", "--all")
    kubectl("-n", space, "create", "configmap", "by-hand", "--from-literal=a=b")
    server = f"statefulset-{names.database(DATABASE)}"
    seen = (Drift("deployment-web"), Drift("service-web", Loss.CHANGED), Drift(server))
    assert eventually(lambda: lost(eph) == seen and seen, 30)
    eph.well(eph.up(spec, refresh=True))
    whole(eph, spec)
    assert eph.site.get("service", "web", "-n", space)["spec"]["selector"] == {names.SERVICE: "web"}
    parts = eph.record(81).parts
    added = [thing for thing in TARGET.holdings(eph.settings) if thing.part not in parts]
    assert [thing.name for thing in added] == [f"{space}/by-hand"]
    assert TARGET.discard(added[0], eph.settings)
    assert kubectl("-n", space, "get", "configmap", "by-hand", "--ignore-not-found") == ""


def test_a_namespace_that_is_gone_is_made_again_whole(eph: Eph, spec: EnvironmentSpec) -> None:
    eph.site.kubectl("delete", "namespace", spec.name, "--wait=false")
    assert eventually(lambda: lost(eph) == (Drift("namespace"),), 60)
    eph.well(eph.up(spec, refresh=True))
    whole(eph, spec)


def test_until_when_it_lives_stands_on_the_namespace(eph: Eph, spec: EnvironmentSpec) -> None:
    def told() -> str:
        return str(eph.site.get("namespace", spec.name)["metadata"]["annotations"].get(names.EXPIRES))

    TARGET.dated(spec.name, eph.settings, datetime(2030, 1, 2, tzinfo=UTC))
    assert told() == "2030-01-02T00:00:00+00:00"
    TARGET.dated(spec.name, eph.settings, None)
    assert told() == "never"
    TARGET.dated("shop-is-not-there-9", eph.settings, None)
    assert lost(eph) == (), "a date is no change"


def test_gone_it_leaves_nothing(eph: Eph, spec: EnvironmentSpec) -> None:
    eph.well(eph.down(81))
    assert eph.left() == []
