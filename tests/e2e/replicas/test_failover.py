"""Two real ephd: one leads, another takes over within 15 s, never two operations on one stack (O2, L6, L2).

The leader is killed, paused and cut off from the database, each time in the middle of an ``up``. Figures are printed
with ``-s``. The tests run in order on one pair of replicas, like the days of an installation.
"""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Iterator

import pytest

from tests.e2e.previews import Preview
from tests.e2e.replicas import replica_pair
from tests.e2e.replicas.replica_pair import TAKEOVER_SECONDS, Replica, ReplicaPair
from tests.e2e.site import wait_until

pytestmark = [pytest.mark.real, pytest.mark.long, pytest.mark.timeout(300)]

SLOW = "touch building; sleep 4; echo built > built.txt\n"
QUICK = "echo built > built.txt\n"
REPORT_SECONDS = 60.0


@pytest.fixture(scope="module")
def pair() -> Iterator[ReplicaPair]:
    with replica_pair.running_pair() as made:
        yield made


@pytest.fixture(scope="module")
def bystander(pair: ReplicaPair) -> Preview:
    """An environment that runs all the time and isn't involved."""
    return pair.preview("bystander")


@pytest.fixture(autouse=True)
def no_overlaps(pair: ReplicaPair, bystander: Preview) -> Iterator[None]:
    yield
    assert pair.audit.overlaps() == []
    assert pair.page(bystander.host).data["commit"] == bystander.commit


def start_slow_build(pair: ReplicaPair, branch: str, leader: Replica) -> tuple[int, str]:
    """An ``up`` that the leader has started and not finished."""
    assert pair.leader_name() == leader.name
    number, sha = pair.open_pull(branch, {"build.sh": SLOW})
    wait_until(f"{branch} is being built", lambda: "" if pair.is_building(number) else pair.log_tail(), REPORT_SECONDS)
    return number, sha


def print_duration(what: str, seconds: float) -> None:
    sys.stdout.write(f"\n{what}: {seconds:.1f} s\n")


def test_any_replica_serves_requests(pair: ReplicaPair, bystander: Preview) -> None:
    """A webhook and an action at the follower reach the leader, and it shows what the leader knows. Pages at the
    gateway's own name come from the leader."""
    one, other = (pair.request(each, "api/v1/environments").json() for each in (pair.a, pair.b))
    assert one == other
    through_gateway = pair.request_gateway("api/v1/environments")
    assert (through_gateway.status_code, through_gateway.json()) == (200, one)
    extended = pair.request(pair.b, f"api/v1/environments/{bystander.name}/extend", "POST")
    assert extended.status_code == 422, "the leader judges what is asked"
    assert pair.request(pair.b, "api/v1/wake", "POST").status_code == 202
    assert [_leads_metric(pair, each) for each in (pair.a, pair.b)] == ["eph_leads 1.0", "eph_leads 0.0"]
    assert pair.request(pair.b, "api/v1/status").json()["leads"] is True
    assert pair.operations_since(pair.b, 0) == []


def _leads_metric(pair: ReplicaPair, replica: Replica) -> str:
    lines = pair.request(replica, "metrics").text.splitlines()
    return next(line for line in lines if line.startswith("eph_leads "))


def test_leader_is_killed_during_an_up(pair: ReplicaPair) -> None:
    number, sha = start_slow_build(pair, "killed", pair.a)
    at = pair.a.send_signal(signal.SIGKILL)
    took = pair.wait_for_takeover(pair.b, at)
    print_duration("another leads after kill -9 of the leader", took)
    assert took < TAKEOVER_SECONDS
    pair.wait_for_preview("killed", number, sha)
    print_duration("and its environment answers after", time.time() - at)
    assert pair.operations_since(pair.b, at)
    pair.start_replica(pair.a)


def test_leader_is_paused_during_an_up_and_resumes(pair: ReplicaPair) -> None:
    number, sha = start_slow_build(pair, "stopped", pair.b)
    at = pair.b.send_signal(signal.SIGSTOP)
    took = pair.wait_for_takeover(pair.a, at)
    print_duration("another leads after SIGSTOP of the leader", took)
    assert took < TAKEOVER_SECONDS
    preview = pair.wait_for_preview("stopped", number, sha)
    woken = pair.b.send_signal(signal.SIGCONT)
    newer = pair.push(preview, {"build.sh": QUICK})
    pair.wait_for_commit(preview, newer)
    assert pair.operations_since(pair.b, woken) == []
    wait_until("it follows", lambda: "" if "no longer the leader" in pair.b.log_text() else pair.b.log_text())
    assert pair.leader_name() == "a"


def test_leader_is_cut_off_from_the_database_during_an_up(pair: ReplicaPair) -> None:
    number, sha = start_slow_build(pair, "cut-off", pair.a)
    pair.a.database_proxy.cut()
    at = time.time()
    took = pair.wait_for_takeover(pair.b, at)
    print_duration("another leads after the leader was cut off", took)
    assert took < TAKEOVER_SECONDS
    preview = pair.wait_for_preview("cut-off", number, sha)
    newer = pair.push(preview, {"build.sh": QUICK})
    pair.wait_for_commit(preview, newer)
    assert pair.operations_since(pair.a, at + took) == []
    pair.a.database_proxy.restore()
    wait_until("it follows", lambda: "" if "no longer the leader" in pair.a.log_text() else pair.a.log_text())
    assert pair.leader_name() == "b"


def test_without_the_database_nobody_leads_and_nothing_crashes(pair: ReplicaPair, bystander: Preview) -> None:
    """Consistency comes first: nothing new starts, environments stay up, and it continues by itself (O1)."""
    before = pair.b.log_text().count("no longer the leader")
    pair.server.kill()
    wait_until(
        "b no longer the leader",
        lambda: "" if pair.b.log_text().count("no longer the leader") > before else pair.b.log_text(),
        TAKEOVER_SECONDS,
    )
    at = time.time()
    number, sha = pair.open_pull("meanwhile")
    assert pair.request(pair.b, "api/v1/wake", "POST").status_code in (202, 503)
    refused = pair.request(pair.a, f"api/v1/environments/{bystander.name}/up", "POST")
    assert refused.status_code == 503, refused.text
    time.sleep(replica_pair.CYCLE + 1)
    assert [*pair.operations_since(pair.a, at), *pair.operations_since(pair.b, at)] == []
    assert pair.page(bystander.host).data["commit"] == bystander.commit
    pair.server.start()
    back = time.time()
    pair.wait_for_preview("meanwhile", number, sha)
    print_duration("after the database came back it answers after", time.time() - back)
    gap = pair.request(pair.b, "api/v1/events", newest="true", limit="50").json()["items"]
    assert "leader.changed" in {event["kind"] for event in gap}


def test_stopping_leader_hands_over_at_once(pair: ReplicaPair) -> None:
    leader, other = (pair.a, pair.b) if pair.leader_name() == "a" else (pair.b, pair.a)
    at = leader.send_signal(signal.SIGTERM)
    took = pair.wait_for_takeover(other, at)
    print_duration("another leads after SIGTERM of the leader", took)
    assert took < TAKEOVER_SECONDS / 2
