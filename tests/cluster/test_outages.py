"""A part of the cluster is unavailable for a while: the API server during an operation, or the node.

L7, L8, T2. Nothing is concluded from missing responses; Eph waits or reports, and completes the work once it is back.
These tests break the cluster for everyone, so they run alone.
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

from programs.targets.kubernetes import namespace_deletion
from programs.targets.kubernetes.api import cluster
from programs.targets.kubernetes.errors import KubernetesError
from programs.targets.kubernetes.settings import from_mapping
from programs.targets.kubernetes.target import TARGET
from stacks.model import OperationResult, Outcome
from tests.cluster.cluster_access import Cluster, wait_for
from tests.cluster.environments import OperationRunner, Page

pytestmark = [pytest.mark.real, pytest.mark.alone, pytest.mark.timeout(600)]


SPACE = "/api/v1/namespaces"
API_SERVER_VARIABLE, KUBELET_VARIABLE = "EPH_TEST_APISERVER", "EPH_TEST_KUBELET"


@contextlib.contextmanager
def paused(process: str) -> Iterator[None]:
    """The process is paused: connections are accepted, and nothing responds."""
    pid = int(os.environ[process])
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


@pytest.fixture
def exclusive_cluster() -> Iterator[None]:
    """Other users of the cluster wait."""
    if missing := [name for name in (API_SERVER_VARIABLE, KUBELET_VARIABLE) if not os.environ.get(name)]:
        pytest.skip(f"needs the processes that are to be stopped ({', '.join(missing)})")
    path = os.environ.get("EPH_TEST_BREAK_LOCK")
    if not path:
        yield
        return
    with Path(path).open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def test_api_server_outage_of_a_minute_during_an_up_is_waited_for(
    eph: OperationRunner, exclusive_cluster: None
) -> None:
    spec = eph.spec(73, eph.repository.push({"a": "4"}))
    results: list[OperationResult] = []
    thread = threading.Thread(target=lambda: results.append(eph.up(spec)))
    thread.start()
    shown = ("get", "deployment", "web", "-n", spec.name, "--ignore-not-found", "-o", "name")
    wait_for(lambda: eph.site.kubectl(*shown), 120)
    with paused(API_SERVER_VARIABLE):
        time.sleep(60)
    thread.join(280)
    if (
        results[0].outcome is not Outcome.SUCCEEDED
    ):  # the engine itself may have given up: then the next attempt repairs it
        eph.assert_succeeded(eph.up(spec))
    assert spec.source.commit in Page(eph.site, spec.host).wait_for_text()
    eph.assert_succeeded(eph.down(73))


def node_ready_status(site: Cluster) -> str:
    """``True``: it is there. ``Unknown``: no heartbeat for a while."""
    [node] = site.get("nodes")["items"]
    return str(next(item["status"] for item in node["status"]["conditions"] if item["type"] == "Ready"))


def test_lost_node_is_reported_and_work_completes_once_it_is_back(
    eph: OperationRunner, exclusive_cluster: None
) -> None:
    """A push finds no node and says so, a destroy says what blocks it, and nothing is left in the end."""
    stays, goes = (eph.spec(number, eph.repository.push({"a": str(number)})) for number in (74, 75))
    eph.assert_succeeded(eph.up(stays))
    eph.assert_succeeded(eph.up(goes))
    pushed = eph.spec(74, eph.repository.push({"a": "pushed"}))
    with paused(KUBELET_VARIABLE):
        wait_for(lambda: node_ready_status(eph.site) == "Unknown", 120)
        eph.assert_failed(
            eph.up(pushed), "no node can run it: 0/1 nodes are available: 1 node(s) had untolerated taint"
        )
        [pod] = TARGET.inspect(goes.name, eph.settings).processes
        assert (pod.state, pod.detail) == ("unknown", "its node doesn't respond")
        eph.site.kubectl("delete", "namespace", goes.name, "--wait=false")
        with pytest.raises(KubernetesError, match=r"node eph-node doesn't respond.*kubectl delete node eph-node"):
            namespace_deletion.wait(cluster.connect(from_mapping(eph.settings)), goes.name, 5)
    wait_for(lambda: node_ready_status(eph.site) == "True", 60)
    eph.assert_succeeded(eph.up(pushed))
    assert pushed.source.commit in Page(eph.site, pushed.host).wait_for_text()
    for result in eph.down_many([74, 75], 2):
        eph.assert_succeeded(result)
    assert eph.remaining() == []
