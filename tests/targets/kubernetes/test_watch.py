"""What exists on a cluster, from a watch that recovers from 410 and falls back to lists (L9, C2).

A small fake API server stands in for the cluster's; tests/cluster proves the same on a real one.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from programs.inventory import DRIFTED
from programs.spec import DatabaseSpec, EnvironmentSpec, GitSource
from programs.targets.kubernetes import gateway_routes, namespace_deletion, settings, update_preparation, wording
from programs.targets.kubernetes.api import cluster, object_kinds
from programs.targets.kubernetes.errors import KubernetesError
from programs.targets.kubernetes.observation import cluster_inventory, cluster_watch
from programs.targets.kubernetes.observation.cluster_watch import ClusterWatch
from programs.targets.kubernetes.settings import KubernetesSettings
from programs.targets.kubernetes.target import TARGET
from tests.targets.kubernetes.fake_api_server import FakeApiServer

DEPLOYMENTS, WEB = "/apis/apps/v1/deployments", "apps/v1/deployments:shop-a-1/web"
BY_HAND: dict[str, Any] = {"f:spec": {"f:ports": {}}}


@pytest.fixture
def api() -> Iterator[FakeApiServer]:
    server = FakeApiServer()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    server.put("v1/namespaces:shop-a-1")
    server.put(WEB)
    yield server
    server.close()
    thread.join()


@pytest.fixture
def target_settings(api: FakeApiServer, tmp_path: Path) -> KubernetesSettings:
    return settings.from_mapping(api.settings(tmp_path))


@pytest.fixture
def watch(target_settings: KubernetesSettings) -> Iterator[ClusterWatch]:
    made = ClusterWatch(target_settings).start()
    wait_until(lambda: made.snapshot() is not None)
    yield made
    cluster_watch.IDLE = 0.0


def wait_until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "it did not become true in time"
        time.sleep(0.01)


@pytest.fixture(autouse=True)
def short_delays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster_watch, "IDLE", 600.0)
    monkeypatch.setattr(cluster_watch, "PAUSES", (0.02,))


def observed_names(watch: ClusterWatch, kind: str = "Deployment") -> set[str]:
    return set((watch.snapshot() or {}).get(kind, ()))


def test_watch_sees_additions_changes_and_deletions_after_one_list(api: FakeApiServer, watch: ClusterWatch) -> None:
    assert observed_names(watch) == {"shop-a-1/web"}
    api.put("apps/v1/deployments:shop-a-1/api")
    wait_until(lambda: observed_names(watch) == {"shop-a-1/web", "shop-a-1/api"})
    api.put(WEB, manager="kubectl-edit", fields=BY_HAND)
    wait_until(lambda: "Deployment:shop-a-1/web" in observed_names(watch, DRIFTED))
    api.put(WEB)
    wait_until(lambda: not observed_names(watch, DRIFTED))
    api.put(WEB, deletionTimestamp="2026-01-01T00:00:00Z")
    wait_until(lambda: observed_names(watch) == {"shop-a-1/api"})
    assert api.count("GET", DEPLOYMENTS) == 1


def test_ended_stream_resumes_and_expired_one_lists_again(api: FakeApiServer, watch: ClusterWatch) -> None:
    api.end_streams()
    api.put("apps/v1/deployments:shop-a-1/api")
    wait_until(lambda: "shop-a-1/api" in observed_names(watch))
    assert api.count("GET", DEPLOYMENTS) == 1, "it goes on from the last version"
    api.remove(f"/apis/apps/v1/namespaces/shop-a-1/deployments/{'api'}")
    wait_until(lambda: "shop-a-1/api" not in observed_names(watch))
    api.end_streams(expire=True)
    wait_until(lambda: api.count("GET", DEPLOYMENTS) == 2)
    wait_until(lambda: observed_names(watch) == {"shop-a-1/web"})


def test_broken_watch_falls_back_to_lists_and_no_response_is_no_answer(
    api: FakeApiServer, target_settings: KubernetesSettings, watch: ClusterWatch
) -> None:
    """L9: nothing is concluded from a cluster that doesn't respond, and everything continues once it does."""
    api.end_streams(down=True)
    wait_until(lambda: watch.snapshot() is None)
    with pytest.raises(KubernetesError, match="503"):
        cluster_watch.live_resources(target_settings)
    api.down = False
    assert cluster_watch.live_resources(target_settings)["Deployment"] == {"shop-a-1/web"}
    wait_until(lambda: watch.snapshot() is not None)


def test_account_limited_to_our_namespaces_lists_only_those(
    api: FakeApiServer, target_settings: KubernetesSettings
) -> None:
    """RBAC can't select namespaces by label: a narrow account lists them one by one, and kinds that it may not see are
    left out."""
    api.put("v1/services:shop-a-1/web", manager="kubectl-edit", fields=BY_HAND)
    api.forbidden |= {path for kind, path in object_kinds.LISTED_KINDS.items() if kind != "Namespace"}
    api.forbidden |= {object_kinds.collection_path("Secret", "shop-a-1")}
    made = ClusterWatch(target_settings).start()
    wait_until(lambda: made.snapshot() is not None)
    found = cluster_watch.live_resources(target_settings)
    assert found["Deployment"] == {"shop-a-1/web"}
    assert found[DRIFTED] == {"Service:shop-a-1/web"}
    assert "Secret" not in found
    things = cluster_inventory.list_resources(cluster.connect(target_settings), target_settings)
    assert {thing.resource_id for thing in things} >= {"Deployment:shop-a-1/web", "Service:shop-a-1/web"}
    cluster_watch.IDLE = 0.0


@pytest.mark.parametrize(
    ("who", "fields", "changed"),
    [
        ("kubectl-edit", BY_HAND, True),
        ("some-operator", {"f:data": {"f:key": {}}}, True),
        ("pulumi-kubernetes-1a2b", BY_HAND, False),
        ("kube-controller-manager", BY_HAND, False),
        ("kubectl", {"f:spec": {"f:replicas": {}}}, False),
        ("cert-manager", {"f:metadata": {"f:annotations": {}}}, False),
        ("openshift-controller-manager", {"f:imagePullSecrets": {}}, False),
    ],
)
def test_other_writer_of_a_spec_counts_as_a_change(who: str, fields: dict[str, object], changed: bool) -> None:
    data = {"metadata": {"managedFields": [{"manager": who, "fieldsV1": fields}]}}
    assert bool(object_kinds.modified_by(data)) is changed


def test_all_objects_in_our_namespaces_are_listed_and_can_be_removed_singly(
    api: FakeApiServer, target_settings: KubernetesSettings
) -> None:
    """C2: objects of controllers, those in every namespace, and those of other servers aren't listed."""
    service = api.put("v1/services:shop-a-1/extra")
    api.put("v1/pods:shop-a-1/web-1", ownerReferences=[{"kind": "ReplicaSet"}])
    api.put("v1/configmaps:shop-a-1/kube-root-ca.crt")
    api.put("v1/persistentvolumeclaims:shop-a-1/data-eph-db-main-1-0")
    api.put("v1/services:elsewhere/extra")
    gateway_routes.write(
        Path(target_settings.routes),
        gateway_routes.RouteRecord("shop-a-1.test", "http://x", "shop-a-1", "web", "c"),
    )
    found = cluster_inventory.list_resources(cluster.connect(target_settings), target_settings)
    assert [thing.resource_id for thing in found] == [
        "Deployment:shop-a-1/web",
        "Door:shop-a-1/shop-a-1.test",
        "Namespace:shop-a-1",
        "Service:shop-a-1/extra",
    ]
    assert found[-1].removal_command.endswith("-n shop-a-1 delete service extra")
    strings = api.settings(target_settings.root)
    assert TARGET.delete_resource(found[-1], strings)
    assert service not in api.objects
    assert TARGET.delete_resource(found[1], strings)
    assert TARGET.list_resources(strings) == [found[0], found[2]]
    assert not TARGET.delete_resource(found[2], strings), "a namespace goes with its environment only"


def spec(strings: dict[str, str]) -> EnvironmentSpec:
    source = GitSource("/nowhere", "a" * 40, "main")
    return EnvironmentSpec("shop-a-1", "h", "kubernetes", "shop", source, (), (DatabaseSpec("main"),), settings=strings)


def test_before_an_operation_modified_objects_are_removed_and_a_lost_database_is_reseeded(
    api: FakeApiServer, target_settings: KubernetesSettings
) -> None:
    changed = api.put("v1/services:shop-a-1/web", manager="kubectl-edit", fields=BY_HAND)
    seed = api.put("batch/v1/jobs:shop-a-1/eph-seed-main-0a1b2c3d")
    hook = api.put("batch/v1/jobs:shop-a-1/eph-run-post-create-1-0a1b2c3d")
    made = spec(api.settings(target_settings.root))
    assert update_preparation.prepare(cluster.connect(target_settings), made, ())
    assert seed in api.objects, "a database of a shared server has none of its own to miss"
    assert not update_preparation.prepare(cluster.connect(target_settings), made, ())
    assert update_preparation.prepare(cluster.connect(target_settings), made, made.databases)
    assert [path for path in (changed, seed) if path in api.objects] == []
    assert hook in api.objects
    assert api.count("DELETE", changed, "Orphan") == 1, "its pods stay for the one that comes after it"


def test_failed_jobs_are_removed_so_that_the_next_attempt_reruns_them(
    api: FakeApiServer, target_settings: KubernetesSettings
) -> None:
    """D2: Pulumi believes that it exists, and would wait for it in vain."""
    failed, done, nightly = (
        api.put(f"batch/v1/jobs:shop-a-1/{name}") for name in ("eph-run-migrate-main-1", "eph-seed-main-1", "nightly-1")
    )
    for path, kind in ((failed, "Failed"), (done, "Complete"), (nightly, "Failed")):
        api.objects[path]["status"] = {"conditions": [{"type": kind, "status": "True"}]}
    api.objects[nightly]["metadata"]["ownerReferences"] = [{"kind": "CronJob", "name": "nightly"}]
    assert update_preparation.prepare(cluster.connect(target_settings), spec(api.settings(target_settings.root)), ())
    assert failed not in api.objects
    assert {done, nightly} <= api.objects.keys()


def test_a_job_whose_pod_failed_a_moment_ago_is_removed_too(
    api: FakeApiServer, target_settings: KubernetesSettings
) -> None:
    """D2: the Job itself reports the failure about two seconds after its pod, and a retry can come in between."""
    migrate = api.put("batch/v1/jobs:shop-a-1/eph-run-migrate-main-1")
    api.objects[migrate]["spec"] = {"backoffLimit": 0}
    pod = api.put("v1/pods:shop-a-1/eph-run-migrate-main-1-x")
    api.objects[pod]["metadata"].setdefault("labels", {})["batch.kubernetes.io/job-name"] = "eph-run-migrate-main-1"
    ended = {"name": "run", "state": {"terminated": {"exitCode": 1}}}
    api.objects[pod]["status"] = {"phase": "Failed", "containerStatuses": [ended]}
    assert update_preparation.prepare(cluster.connect(target_settings), spec(api.settings(target_settings.root)), ())
    assert migrate not in api.objects


def test_stuck_namespace_is_reported_with_what_blocks_it(
    api: FakeApiServer, target_settings: KubernetesSettings
) -> None:
    address = api.put("v1/namespaces:shop-a-1", deletionTimestamp="2026-01-01T00:00:00Z")
    why = "Some content in the namespace has finalizers remaining: example.com/gone in 1 resource instances"
    api.objects[address]["status"] = {"conditions": [{"status": "True", "message": why}]}
    with pytest.raises(KubernetesError, match=wording.deletion_late("shop-a-1", 0, why)):
        namespace_deletion.wait(cluster.connect(target_settings), "shop-a-1", 0)
    pod = api.put("v1/pods:shop-a-1/web-1")
    said = [{"type": "Ready", "status": "False"}, {"type": "ContainersReady", "status": "True"}]
    api.objects[pod] |= {"spec": {"nodeName": "node-3"}, "status": {"conditions": said}}
    with pytest.raises(KubernetesError, match=wording.nodes_lost("shop-a-1", 0, ["node-3"])):
        namespace_deletion.wait(cluster.connect(target_settings), "shop-a-1", 0)


@pytest.mark.parametrize("terminating", [False, True], ids=["live", "deleted by Pulumi"])
def test_pods_with_endless_grace_do_not_delay_a_destroy(
    api: FakeApiServer, target_settings: KubernetesSettings, terminating: bool
) -> None:
    """S3: the pods are from a version that accepted any grace period; the namespace waits for them."""
    marked: dict[str, Any] = {"deletionTimestamp": "2026-01-01T00:00:00Z"} if terminating else {}
    late: dict[str, Any] = {**marked, "deletionGracePeriodSeconds": 86400} if terminating else {}
    space = api.put("v1/namespaces:shop-a-1", **marked)
    for name in ("web-1", "web-2"):
        pod = api.put(f"v1/pods:shop-a-1/{name}", **late)
        api.grace[pod] = 86400
    TARGET.purge("shop-a-1", api.settings(target_settings.root))
    assert space not in api.objects
    assert not api.grace


def test_a_destroy_first_removes_what_leads_people_there(
    api: FakeApiServer, target_settings: KubernetesSettings
) -> None:
    """M5: traffic through the cluster's own ingress ends before anything else of the environment does."""
    raw = api.settings(target_settings.root)
    ingress = api.put("networking.k8s.io/v1/ingresses:shop-a-1/eph-web")
    route = api.put("gateway.networking.k8s.io/v1/httproutes:shop-a-1/eph-web")
    other = api.put("networking.k8s.io/v1/ingresses:shop-b-2/eph-web")
    kept = set(api.objects) - {ingress, route}
    TARGET.stop_serving("shop-a-1", raw)
    assert (set(api.objects), other in kept) == (kept, True)
    TARGET.stop_serving("shop-a-1", raw)
    api.forbidden.add("/apis/networking.k8s.io/v1/namespaces/shop-a-1/ingresses")
    TARGET.stop_serving("shop-a-1", raw)


def test_what_leads_to_a_namespace_of_others_stays(api: FakeApiServer, target_settings: KubernetesSettings) -> None:
    """S3: a namespace that only has our name."""
    space = api.put("v1/namespaces:shop-c-3")
    api.objects[space]["metadata"]["labels"] = {}
    ingress = api.put("networking.k8s.io/v1/ingresses:shop-c-3/eph-web")
    TARGET.stop_serving("shop-c-3", api.settings(target_settings.root))
    assert ingress in api.objects


def test_namespace_is_deleted_without_access_to_its_pods(
    api: FakeApiServer, target_settings: KubernetesSettings
) -> None:
    """The binding that gives us access can be deleted before the rest of the namespace."""
    space = api.put("v1/namespaces:shop-a-1")
    api.forbidden.add(f"{space}/pods")
    TARGET.purge("shop-a-1", api.settings(target_settings.root))
    assert space not in api.objects
