"""What goes wrong on a cluster, made to go wrong on a real one: each ends in the right state, and in words that help.

T2, P3, L7, L8. Failures of workloads are recognised within ten seconds; what keeps a namespace, a server that does not
answer and a key that does not open are survived, told, and over once their cause is.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from programs.holdings import CHANGED
from programs.kubernetes import cluster, settings, waiting
from programs.kubernetes.errors import KubernetesError
from programs.kubernetes.target import TARGET
from programs.kubernetes.waiting import Awaited
from stacks.model import OperationResult, Outcome
from tests.cluster.environments import Eph, Page
from tests.cluster.machines import Site, eventually

pytestmark = [pytest.mark.real, pytest.mark.timeout(600)]

SOON = 10.0


@pytest.fixture(scope="module")
def space(site: Site) -> str:
    name = site.namespace("eph-trouble-words")
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "q", "namespace": name}}
    site.apply({**quota, "spec": {"hard": {"pods": "6", "requests.memory": "64Gi"}}})
    default = {"type": "Container", "defaultRequest": {"memory": "8Mi"}}
    ranged = {"apiVersion": "v1", "kind": "LimitRange", "metadata": {"name": "l", "namespace": name}}
    site.apply({**ranged, "spec": {"limits": [default]}})
    return name


def deployment(site: Site, space: str, name: str, **changes: Any) -> dict[str, Any]:
    container = {"name": "app", "image": f"{site.registry}/acme/shop:v1", **changes}
    pod = {"containers": [container], "imagePullSecrets": [{"name": "pull"}], "terminationGracePeriodSeconds": 0}
    spec = {
        "selector": {"matchLabels": {"app": name}},
        "template": {"metadata": {"labels": {"app": name}}, "spec": pod},
    }
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "namespace": space}, "spec": spec}


PROBE = {"tcpSocket": {"port": 8080}, "periodSeconds": 1}
"""What has none is ready as soon as its process is there, even when that is about to end."""
FAILING: dict[str, tuple[dict[str, Any], str, str]] = {
    "image": (
        {"image": "{registry}/acme/shop:never-pushed"},
        "the image .*never-pushed cannot be had: .*not found",
        "",
    ),
    "crash": (
        {"command": ["sh", "-c", "echo last words; exit 3"], "readinessProbe": PROBE},
        "keeps ending .*exit status 3",
        "last words",
    ),
    "place": ({"resources": {"requests": {"cpu": "900"}}}, "no node can take it: .*Insufficient cpu", ""),
    "quota": (
        {"resources": {"requests": {"memory": "65Gi"}}},
        "quota is used up: it asks for requests.memory=65Gi",
        "",
    ),
}


def patience() -> float:
    """Ten seconds on a machine that has a processor to spare; as much more as others wait for it."""
    return SOON * max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))


@pytest.mark.parametrize("name", FAILING)
def test_a_workload_that_cannot_become_ready_is_told_within_ten_seconds(
    eph: Eph, site: Site, space: str, name: str
) -> None:
    changes, words, last = FAILING[name]
    texts = json.loads(json.dumps(changes).replace("{registry}", site.registry))
    found = cluster.connect(settings.from_mapping(eph.settings))
    site.apply(deployment(site, space, name, **texts))
    began = time.monotonic()
    with pytest.raises(KubernetesError, match=words) as caught:
        waiting.until_ready(found, Awaited(space, "Deployment", name, f"service {name}", 120))
    took = time.monotonic() - began
    site.kubectl("-n", space, "delete", "deployment", name)
    assert took < patience()
    assert last in "\n".join(caught.value.tail), caught.value.tail
    assert caught.value.sentence.startswith(f"service {name}: ")


def test_a_health_check_that_says_no_is_told_while_it_may_still_say_yes(eph: Eph, site: Site, space: str) -> None:
    probe = {"httpGet": {"path": "/healthz", "port": 8080}, "periodSeconds": 1}
    site.apply(deployment(site, space, "sick", env=[{"name": "BROKEN", "value": "1"}], readinessProbe=probe))
    found = cluster.connect(settings.from_mapping(eph.settings))
    awaited = Awaited(space, "Deployment", "sick", "service sick", 120)
    eventually(lambda: "its health check says no: " in waiting.look(found, awaited).doubt, patience())
    site.kubectl("-n", space, "delete", "deployment", "sick")


def failed(result: OperationResult, *words: str) -> None:
    told = " ".join([result.error, *result.tail])
    assert result.outcome is Outcome.FAILED, told
    assert [word for word in words if word not in told] == [], told


def well(result: OperationResult) -> None:
    assert result.outcome is Outcome.SUCCEEDED, (result.error, result.tail)


def test_a_namespace_that_a_dead_controller_keeps_is_told_and_goes_once_it_may(
    eph: Eph, monkeypatch: pytest.MonkeyPatch
) -> None:
    """L7: the record stays, every try says what keeps it, and the next one after that ends it."""
    spec = eph.spec(71, eph.repository.push({"a": "1"}))
    well(eph.up(spec))
    kept = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "kept", "namespace": spec.name}}
    eph.site.apply({**kept, "metadata": {**kept["metadata"], "finalizers": ["example.com/nobody"]}})
    failed(eph.down(71), "still being removed", "example.com/nobody", f"kubectl get namespace {spec.name} -o yaml")
    assert eph.record(71).name == spec.name
    let = json.dumps({"metadata": {"finalizers": None}})
    eph.site.kubectl("-n", spec.name, "patch", "configmap", "kept", "--type=merge", "-p", let)
    well(eph.down(71))
    assert eph.left() == []


def test_a_key_that_does_not_open_any_more_is_named_and_nothing_is_concluded(eph: Eph, tmp_path: Path) -> None:
    spec = eph.spec(72, eph.repository.push({"a": "2"}))
    well(eph.up(spec))
    good = eph.site.kubeconfig
    revoked = json.loads(eph.site.kubectl("config", "view", "--raw", "-o", "json"))
    revoked["users"] = [{"name": each["name"], "user": {"token": "revoked"}} for each in revoked["users"]]
    (tmp_path / "kubeconfig").write_text(json.dumps(revoked))
    eph.site.kubeconfig = str(tmp_path / "kubeconfig")
    try:
        for ask in (TARGET.names, TARGET.holdings):
            with pytest.raises(KubernetesError, match=r"refuses GET .*check the kubeconfig's rights"):
                ask(eph.settings)
        standing = TARGET.standing(eph.settings)
        assert standing.keys() <= {"Door", CHANGED}, "kinds that may not be looked at are left out"
        failed(eph.up(eph.spec(72, eph.repository.push({"a": "3"}))), "check the kubeconfig's rights")
        failed(eph.down(72), "check the kubeconfig's rights")
        assert eph.record(72).name == spec.name
    finally:
        eph.site.kubeconfig = good
    assert spec.source.commit in Page(eph.site, spec.host).text(), "what runs goes on"
    well(eph.down(72))
    assert eph.left() == []


@contextlib.contextmanager
def silent_server() -> Iterator[None]:
    """The API server stands still: connections are taken, and nothing is answered."""
    process = int(os.environ["EPH_TEST_APISERVER"])
    os.kill(process, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(process, signal.SIGCONT)


@pytest.fixture
def breaking() -> Iterator[None]:
    """Whoever shares the cluster waits."""
    if not os.environ.get("EPH_TEST_APISERVER"):
        pytest.skip("needs the process of the API server (EPH_TEST_APISERVER)")
    path = os.environ.get("EPH_TEST_BREAK_LOCK")
    if not path:
        yield
        return
    with Path(path).open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@pytest.mark.alone
def test_a_server_that_is_away_for_a_minute_in_the_middle_of_an_up_is_waited_for(eph: Eph, breaking: None) -> None:
    spec = eph.spec(73, eph.repository.push({"a": "4"}))
    results: list[OperationResult] = []
    thread = threading.Thread(target=lambda: results.append(eph.up(spec)))
    thread.start()
    shown = ("get", "deployment", "web", "-n", spec.name, "--ignore-not-found", "-o", "name")
    eventually(lambda: eph.site.kubectl(*shown), 120)
    with silent_server():
        time.sleep(60)
    thread.join(280)
    if results[0].outcome is not Outcome.SUCCEEDED:  # the engine itself may have given up: then the next try mends it
        well(eph.up(spec))
    assert spec.source.commit in Page(eph.site, spec.host).text()
    well(eph.down(73))
    assert eph.left() == []
