"""Two real ephd: one leads, another takes over within 15 s, never two operations on one stack (O2, L6, L2).

The leader is killed, stopped and cut off from the database, each time in the middle of an ``up``. Figures are told
with ``-s``. The tests follow one another on one pair of replicas, as the days of an installation do.
"""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Iterator

import pytest

from tests.e2e.site import Preview, until
from tests.leader import replicas
from tests.leader.replicas import SOON, Pair, Replica

pytestmark = [pytest.mark.real, pytest.mark.long, pytest.mark.timeout(300)]

SLOW = "touch building; sleep 4; echo built > built.txt\n"
QUICK = "echo built > built.txt\n"
TOLD = 60.0


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    with replicas.opened() as made:
        yield made


@pytest.fixture(scope="module")
def bystander(pair: Pair) -> Preview:
    """One that runs all the while, and has nothing to do with any of it."""
    return pair.preview("bystander")


@pytest.fixture(autouse=True)
def never_two(pair: Pair, bystander: Preview) -> Iterator[None]:
    yield
    assert pair.audit.overlaps() == []
    assert pair.page(bystander.host).data["commit"] == bystander.commit


def in_the_middle(pair: Pair, branch: str, leader: Replica) -> tuple[int, str]:
    """An ``up`` that the leader began and has not ended."""
    assert pair.leader() == leader.name
    number, sha = pair.open_pull(branch, {"build.sh": SLOW})
    until(f"{branch} is being built", lambda: "" if pair.building(number) else pair.said(), TOLD)
    return number, sha


def tell(what: str, seconds: float) -> None:
    sys.stdout.write(f"\n{what}: {seconds:.1f} s\n")


def test_any_replica_will_do(pair: Pair, bystander: Preview) -> None:
    """A webhook and an action at the one that follows reach the one that leads; what it shows is what that one knows.
    The pages at the gateway's own name come from whoever leads."""
    one, other = (pair.ask(each, "api/v1/environments").json() for each in (pair.a, pair.b))
    assert one == other
    extended = pair.ask(pair.b, f"api/v1/environments/{bystander.name}/extend", "POST")
    assert extended.status_code == 422, "the leader judges what is asked"
    assert pair.ask(pair.b, "api/v1/wake", "POST").status_code == 202
    assert [_leads(pair, each) for each in (pair.a, pair.b)] == ["eph_leads 1.0", "eph_leads 0.0"]
    assert pair.ask(pair.b, "api/v1/status").json()["leads"] is True
    assert pair.began(pair.b, 0) == []


def _leads(pair: Pair, replica: Replica) -> str:
    lines = pair.ask(replica, "metrics").text.splitlines()
    return next(line for line in lines if line.startswith("eph_leads "))


def test_the_leader_is_killed_in_the_middle_of_an_up(pair: Pair) -> None:
    number, sha = in_the_middle(pair, "killed", pair.a)
    at = pair.a.send(signal.SIGKILL)
    took = pair.taken_over(pair.b, at)
    tell("another leads after kill -9 of the leader", took)
    assert took < SOON
    pair.arrived("killed", number, sha)
    tell("and its environment answers after", time.time() - at)
    assert pair.began(pair.b, at)
    pair.begin(pair.a)


def test_the_leader_is_stopped_in_the_middle_of_an_up_and_wakes(pair: Pair) -> None:
    number, sha = in_the_middle(pair, "stopped", pair.b)
    at = pair.b.send(signal.SIGSTOP)
    took = pair.taken_over(pair.a, at)
    tell("another leads after SIGSTOP of the leader", took)
    assert took < SOON
    preview = pair.arrived("stopped", number, sha)
    woken = pair.b.send(signal.SIGCONT)
    newer = pair.push(preview, {"build.sh": QUICK})
    pair.answers(preview, newer)
    assert pair.began(pair.b, woken) == []
    until("it follows", lambda: "" if "leads no more" in pair.b.said() else pair.b.said())
    assert pair.leader() == "a"


def test_the_leader_is_cut_off_from_the_database_in_the_middle_of_an_up(pair: Pair) -> None:
    number, sha = in_the_middle(pair, "cut-off", pair.a)
    pair.a.line.cut()
    at = time.time()
    took = pair.taken_over(pair.b, at)
    tell("another leads after the leader was cut off", took)
    assert took < SOON
    preview = pair.arrived("cut-off", number, sha)
    newer = pair.push(preview, {"build.sh": QUICK})
    pair.answers(preview, newer)
    assert pair.began(pair.a, at + took) == []
    pair.a.line.mend()
    until("it follows", lambda: "" if "leads no more" in pair.a.said() else pair.a.said())
    assert pair.leader() == "b"


def test_without_the_database_nobody_leads_and_nothing_falls(pair: Pair, bystander: Preview) -> None:
    """Consistency comes first: nothing new is begun, environments stay up, and it goes on by itself (O1)."""
    before = pair.b.said().count("leads no more")
    pair.server.kill()
    until("b leads no more", lambda: "" if pair.b.said().count("leads no more") > before else pair.b.said(), SOON)
    at = time.time()
    number, sha = pair.open_pull("meanwhile")
    assert pair.ask(pair.b, "api/v1/wake", "POST").status_code in (202, 503)
    refused = pair.ask(pair.a, f"api/v1/environments/{bystander.name}/up", "POST")
    assert refused.status_code == 503, refused.text
    time.sleep(replicas.CYCLE + 1)
    assert [*pair.began(pair.a, at), *pair.began(pair.b, at)] == []
    assert pair.page(bystander.host).data["commit"] == bystander.commit
    pair.server.start()
    back = time.time()
    pair.arrived("meanwhile", number, sha)
    tell("after the database came back it answers after", time.time() - back)
    gap = pair.ask(pair.b, "api/v1/events", newest="true", limit="50").json()["items"]
    assert "leader.changed" in {event["kind"] for event in gap}


def test_a_leader_that_is_asked_to_stop_hands_over_at_once(pair: Pair) -> None:
    leader, other = (pair.a, pair.b) if pair.leader() == "a" else (pair.b, pair.a)
    at = leader.send(signal.SIGTERM)
    took = pair.taken_over(other, at)
    tell("another leads after SIGTERM of the leader", took)
    assert took < SOON / 2
