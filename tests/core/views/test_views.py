"""What people see of it: phases, sentences, the dry run (P3, P5, habits 4 and 6)."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from orchestrator.core.model.policy import Policy
from orchestrator.core.model.world import LinkTemplate
from orchestrator.core.planning import plan_actions, plans
from orchestrator.core.util import formatting
from orchestrator.core.views import environment_views
from orchestrator.core.views.environment_views import LinkView
from orchestrator.core.views.phases import Phase
from programs.inventory import UNUSED_DATABASES
from tests import snapshots
from tests.worlds.plan.pull_requests import sha
from tests.worlds.plan.simulation import Simulation

SNAPSHOTS = Path(__file__).parent / "snapshots"


@pytest.fixture
def world() -> Simulation:
    world = Simulation(Policy(debounce=timedelta(seconds=2)))
    world.open_pull(42)
    return world


def test_the_life_of_an_environment_in_phases(world: Simulation) -> None:  # L5, P3
    seen = [world.view(42).phase]
    world.start(world.plan())
    seen.append(world.view(42).phase)
    world.finish_all()
    seen.append(world.view(42).phase)
    world.report_health(42)
    seen.append(world.view(42).phase)
    world.push(42, "bbbbbbb")
    seen.append(world.view(42).phase)
    world.advance(seconds=3)
    world.start(world.plan())
    seen.append(world.view(42).phase)
    world.finish_all()
    seen.append(world.view(42).phase)
    world.report_health(42)
    world.merge(42)
    world.start(world.plan())
    seen.append(world.view(42).phase)
    world.start(world.plan())
    seen.append(world.view(42).phase)
    world.finish_all()
    assert seen == [
        Phase.CREATING, Phase.CREATING, Phase.STARTING, Phase.READY, Phase.WAITING, Phase.UPDATING, Phase.STARTING,
        Phase.DESTROYING, Phase.DESTROYING,
    ]  # fmt: skip
    assert environment_views.build(world.world(), world.plan(), world.policy, world.now) == ()


def test_an_answer_for_the_old_commit_does_not_make_the_new_one_ready(world: Simulation) -> None:  # P3, pitfall 9
    world.run_cycle()
    world.report_health(42)
    world.push(42, "bbbbbbb")
    world.advance(seconds=3)
    world.run_cycle()
    assert world.view(42).phase is Phase.STARTING


def test_why_names_the_decision_then_the_facts(world: Simulation) -> None:  # P5
    world.run_cycle()
    world.report_health(42)
    snapshots.assert_matches(SNAPSHOTS / "why.txt", "\n".join(world.view(42).reasons) + "\n")


def test_a_view_carries_what_a_comment_needs(world: Simulation) -> None:  # P1
    world.run_cycle()
    world.report_health(42)
    view = world.view(42)
    assert (view.repository, view.name, view.host) == (
        "acme/shop",
        "shop1-gentle-stream-42",
        "shop1-gentle-stream-42.localhost",
    )
    assert (view.commit, view.wanted_commit, view.branch) == (sha("aaaaaaa"), sha("aaaaaaa"), "branch")
    assert view.expires_at == world.now + timedelta(hours=72) - timedelta(seconds=30)
    assert view.ready_at == world.now


def test_an_old_build_without_a_health_check_is_unchecked(world: Simulation) -> None:  # P1
    world.run_cycle()
    assert (world.view(42).phase, world.view(42).unchecked) == (Phase.STARTING, False)
    world.advance(minutes=5)
    assert (world.view(42).phase, world.view(42).unchecked) == (Phase.STARTING, True)
    world.report_health(42)
    assert not world.view(42).unchecked


def test_links_lead_to_the_live_environment(world: Simulation) -> None:  # P14
    shown = LinkTemplate("Admin", "{url}/admin"), LinkTemplate("Gone", "{url:gone}/docs")
    world.change(42, recipe={"links": shown})
    assert world.view(42).links == ()
    world.run_cycle()
    view = world.view(42)
    assert view.links == (LinkView("Admin", f"{view.url}/admin"),)


def test_notices_of_a_build_are_those_of_its_commit(world: Simulation) -> None:  # Y2
    world.change(42, recipe={"notices": ("eph.yaml:3:1: build: ignored",)})
    world.run_cycle()
    record = world.stacks[world.ref(42)]
    assert record.built is not None
    world.stacks[world.ref(42)] = replace(record, built=replace(record.built, notices=("k8s/web.yaml:1: left out",)))
    assert world.view(42).notices == ("eph.yaml:3:1: build: ignored", "k8s/web.yaml:1: left out")
    world.push(42, "bbbbbbb")
    assert world.view(42).notices == ("eph.yaml:3:1: build: ignored",)


def test_an_upgrade_that_waits_does_not_hide_that_it_is_ready(world: Simulation) -> None:  # P3
    world.policy = Policy(max_concurrent=1, program_versions={"local": "2"}, debounce=timedelta(0))
    world.run_cycle()
    world.report_health(42)
    world.open_pull(43)
    world.start(world.plan())
    assert isinstance(world.action(42), plan_actions.Wait)
    assert world.view(42).phase is Phase.READY


def test_a_plan_prints_as_a_dry_run(world: Simulation) -> None:  # L7 (sweep --dry-run)
    world.policy = replace(world.policy, allow_forks=False)
    world.open_pull(43, fork=True)
    assert str(world.plan()).splitlines() == [
        "create    eph-shop-1/pr-42: acme/shop#42 has the label preview but no environment yet",
        "refuse    eph-shop-1/pr-43: acme/shop#43 comes from a fork, and this server doesn't run forks",
    ]
    world.run_cycle()
    world.close_pull(43)
    assert str(world.plan()) == "nothing to do"
    assert world.plan().render(include_unchanged=True).startswith("keep ")


def test_the_same_facts_give_the_same_plan(world: Simulation) -> None:  # habit 2
    world.open_pull(43, problems=("eph.yaml:1: not YAML",))
    world.run_cycle()
    assert plans.plan(world.world(), world.policy, world.now) == plans.plan(world.world(), world.policy, world.now)


@pytest.mark.parametrize(
    ("span", "text"),
    [
        (timedelta(hours=3, minutes=20, seconds=9), "3 h 20 min"),
        (timedelta(days=1), "1 day"),
        (timedelta(days=2, minutes=5), "2 days"),
        (timedelta(seconds=45), "45 s"),
        (timedelta(seconds=-3), "0 s"),
    ],
)
def test_durations_read_well(span: timedelta, text: str) -> None:  # P1
    assert formatting.duration(span) == text


def test_lists_read_well() -> None:  # P1
    assert formatting.join_words(["c", "a", "b"]) == "a, b and c"
    assert formatting.join_words(["b", "a"]) == "a and b"
    assert formatting.join_words([]) == ""


def test_a_creation_that_is_ended_for_good_reads_as_destroying(world: Simulation) -> None:  # P1
    world.start(world.plan())
    world.unlabel(42)
    assert world.view(42).phase is Phase.DESTROYING


def test_database_that_no_service_uses_is_a_notice_once_it_is_ready(world: Simulation) -> None:  # P1
    world.run_cycle()
    unused = frozenset({"shop1-gentle-stream-42/main/DATABASE_URL", "another-1/main/DATABASE_URL"})
    parts = {"local": {UNUSED_DATABASES: unused}}

    def notices() -> tuple[str, ...]:
        seen = replace(world.world(), live_parts=parts)
        [view] = environment_views.build(seen, plans.plan(seen, world.policy, world.now), world.policy, world.now)
        return view.notices

    assert notices() == ()
    world.report_health(42)
    [notice] = notices()
    assert "main" in notice
    assert "DATABASE_URL" in notice
