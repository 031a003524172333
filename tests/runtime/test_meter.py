"""What /metrics says about waiting times. Row: P7."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from orchestrator.core.views.environment_views import EnvironmentView
from orchestrator.core.views.phases import Phase
from orchestrator.ledger.event_kinds import EventKind
from orchestrator.ledger.port import Event
from orchestrator.runtime.cycles import CycleResult
from orchestrator.runtime.observation.meter import MAX_KINDS, Meter
from stacks.model import StackRef

NOW = datetime(2026, 5, 1, tzinfo=UTC)
REF = StackRef("eph-shop-1", "pr-7")
WHERE = {"target": "local", "repository": "acme/shop"}


def _cycle(meter: Meter, at: int, phase: Phase, commit: str = "", wanted: str = "a1") -> None:
    view = EnvironmentView(
        REF, None, "acme/shop", "shop-7", "shop-7", phase, (), target="local", commit=commit, wanted_commit=wanted
    )
    meter.on_cycle(CycleResult(views=(view,), at=NOW + timedelta(seconds=at)))


def _no_environments(meter: Meter) -> None:
    meter.on_cycle(CycleResult(at=NOW))


def _value(meter: Meter, name: str, **labels: str) -> float | None:
    return meter.registry.get_sample_value(name, WHERE | labels)


def test_from_the_first_sight_of_a_commit_until_it_is_ready() -> None:
    meter = Meter()
    _no_environments(meter)
    _cycle(meter, 10, Phase.CREATING)
    _cycle(meter, 14, Phase.STARTING, "a1")
    _cycle(meter, 17, Phase.READY, "a1")
    _cycle(meter, 20, Phase.READY, "a1")
    assert _value(meter, "eph_ready_seconds_count") == 1
    assert _value(meter, "eph_ready_seconds_sum") == 7


def test_a_push_starts_another_measurement() -> None:
    meter = Meter()
    _no_environments(meter)
    _cycle(meter, 10, Phase.CREATING)
    _cycle(meter, 30, Phase.UPDATING, "a1", "b2")
    _cycle(meter, 34, Phase.READY, "b2", "b2")
    assert _value(meter, "eph_ready_seconds_count") == 1
    assert _value(meter, "eph_ready_seconds_sum") == 4


def test_what_began_before_this_process_is_not_measured() -> None:
    meter = Meter()
    _cycle(meter, 0, Phase.CREATING)
    _cycle(meter, 5, Phase.CREATING)
    _cycle(meter, 8, Phase.READY, "a1")
    assert not _value(meter, "eph_ready_seconds_count")


def test_what_waited_while_another_replica_led_is_not_measured() -> None:
    meter = Meter()
    _no_environments(meter)
    _cycle(meter, 0, Phase.QUEUED)
    meter.start_term()
    _cycle(meter, 500, Phase.CREATING)
    _cycle(meter, 508, Phase.READY, "a1")
    assert not _value(meter, "eph_ready_seconds_count")
    assert not _value(meter, "eph_queue_wait_seconds_count")


def test_waking_is_not_a_wait_for_a_commit() -> None:
    meter = Meter()
    _no_environments(meter)
    _cycle(meter, 0, Phase.ASLEEP, "a1")
    _cycle(meter, 9, Phase.READY, "a1")
    assert not _value(meter, "eph_ready_seconds_count")


def test_time_in_the_queue() -> None:
    meter = Meter()
    _no_environments(meter)
    _cycle(meter, 1, Phase.QUEUED)
    _cycle(meter, 4, Phase.QUEUED)
    _cycle(meter, 9, Phase.CREATING)
    assert _value(meter, "eph_queue_wait_seconds_sum") == 8


def test_operations_and_failures() -> None:
    meter = Meter()
    _cycle(meter, 0, Phase.CREATING)
    meter.on_event(_ended(EventKind.ENVIRONMENT_CREATED, "2.5"))
    meter.on_event(_ended(EventKind.ENVIRONMENT_FAILED, "4.0", "build web"))
    assert _value(meter, "eph_operation_seconds_sum", verb="up", outcome="succeeded") == 2.5
    assert _value(meter, "eph_operation_seconds_sum", verb="up", outcome="failed") == 4
    assert _value(meter, "eph_failures_total", verb="up", step="build") == 1


def test_a_repository_cannot_create_any_number_of_series() -> None:
    meter = Meter()
    for number in range(3 * MAX_KINDS):
        meter.on_event(_ended(EventKind.ENVIRONMENT_FAILED, "1", f"kind{number} web"))
    [family] = [family for family in meter.registry.collect() if family.name == "eph_failures"]
    assert len(family.samples) == MAX_KINDS + 1


def _ended(kind: EventKind, seconds: str, step: str = "") -> Event:
    data = {"seconds": seconds, "verb": "up", "target": "local", "step": step}
    return Event(kind, NOW, str(REF), "", "eph", data)
