"""A part of the cluster itself is away for a while: the API server in the middle of an operation, or the node.

L7, L8, T2. Nothing is concluded from silence; it is waited for or told, and what was to be done is done once it is
back. These tests break the cluster for everybody, so they run alone.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from programs.kubernetes import cluster, mending
from programs.kubernetes.errors import KubernetesError
from programs.kubernetes.settings import from_mapping
from programs.kubernetes.target import TARGET
from stacks.model import OperationResult, Outcome
from tests.cluster.environments import Eph, Page
from tests.cluster.machines import Site, eventually

pytestmark = [pytest.mark.real, pytest.mark.alone, pytest.mark.timeout(600)]


SPACE = "/api/v1/namespaces"
SERVER, KUBELET = "EPH_TEST_APISERVER", "EPH_TEST_KUBELET"


@contextlib.contextmanager
def away(process: str) -> Iterator[None]:
    """It stands still: connections are taken, and nothing is answered."""
    pid = int(os.environ[process])
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


@pytest.fixture
def breaking() -> Iterator[None]:
    """Whoever shares the cluster waits."""
    if missing := [name for name in (SERVER, KUBELET) if not os.environ.get(name)]:
        pytest.skip(f"needs the processes that are to be stopped ({', '.join(missing)})")
    path = os.environ.get("EPH_TEST_BREAK_LOCK")
    if not path:
        yield
        return
    with Path(path).open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def test_a_server_that_is_away_for_a_minute_in_the_middle_of_an_up_is_waited_for(eph: Eph, breaking: None) -> None:
    spec = eph.spec(73, eph.repository.push({"a": "4"}))
    results: list[OperationResult] = []
    thread = threading.Thread(target=lambda: results.append(eph.up(spec)))
    thread.start()
    shown = ("get", "deployment", "web", "-n", spec.name, "--ignore-not-found", "-o", "name")
    eventually(lambda: eph.site.kubectl(*shown), 120)
    with away(SERVER):
        time.sleep(60)
    thread.join(280)
    if results[0].outcome is not Outcome.SUCCEEDED:  # the engine itself may have given up: then the next try mends it
        eph.well(eph.up(spec))
    assert spec.source.commit in Page(eph.site, spec.host).text()
    eph.well(eph.down(73))


def node_says(site: Site) -> str:
    """``True``: it is there. ``Unknown``: it has not been heard of for a while."""
    [node] = site.get("nodes")["items"]
    return str(next(item["status"] for item in node["status"]["conditions"] if item["type"] == "Ready"))


def test_a_node_that_is_gone_is_named_and_what_waited_for_it_is_done_once_it_is_back(eph: Eph, breaking: None) -> None:
    """A push finds no node and says so, what is to go says what keeps it, and nothing is left in the end."""
    stays, goes = (eph.spec(number, eph.repository.push({"a": str(number)})) for number in (74, 75))
    eph.well(eph.up(stays))
    eph.well(eph.up(goes))
    pushed = eph.spec(74, eph.repository.push({"a": "pushed"}))
    with away(KUBELET):
        eventually(lambda: node_says(eph.site) == "Unknown", 120)
        eph.failed(eph.up(pushed), "no node can take it: 0/1 nodes are available: 1 node(s) had untolerated taint")
        [pod] = TARGET.inside(goes.name, eph.settings).processes
        assert (pod.state, pod.detail) == ("unknown", "its node does not answer")
        eph.site.kubectl("delete", "namespace", goes.name, "--wait=false")
        with pytest.raises(KubernetesError, match=r"node eph-node does not answer.*kubectl delete node eph-node"):
            mending.gone(cluster.connect(from_mapping(eph.settings)), f"{SPACE}/{goes.name}", goes.name, 5)
    eventually(lambda: node_says(eph.site) == "True", 60)
    eph.well(eph.up(pushed))
    assert pushed.source.commit in Page(eph.site, pushed.host).text()
    for result in eph.downs([74, 75], 2):
        eph.well(result)
    assert eph.left() == []
