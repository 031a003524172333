"""L5, P3: a workload that became ready is noticed at once, and one whose cluster reports nothing is found anyway."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from programs.targets.kubernetes import settings
from programs.targets.kubernetes.api import cluster
from programs.targets.kubernetes.api.cluster import ClusterClient
from programs.targets.kubernetes.errors import KubernetesError
from programs.targets.kubernetes.observation import rollout_wait
from programs.targets.kubernetes.observation.rollout_wait import AwaitedWorkload
from tests.targets.kubernetes.fake_api_server import FakeApiServer

LONG = 60.0
"""Longer than a test may take: a wait that only looks regularly fails."""
WEB = AwaitedWorkload("shop-a-1", "Deployment", "web", "service web", LONG)
PATH = "apps/v1/deployments:shop-a-1/web"


@pytest.fixture
def server() -> Iterator[FakeApiServer]:
    made = FakeApiServer()
    threading.Thread(target=made.serve_forever, daemon=True).start()
    yield made
    made.close()


@pytest.fixture
def client(server: FakeApiServer, tmp_path: Path) -> ClusterClient:
    return cluster.connect(settings.from_mapping(server.settings(tmp_path)))


def _put(server: FakeApiServer, available: int) -> None:
    spec: dict[str, Any] = {"replicas": 1, "selector": {"matchLabels": {"app": "web"}}}
    status = {"observedGeneration": 1, "updatedReplicas": 1, "replicas": 1, "availableReplicas": available}
    server.put(PATH, content={"spec": spec, "status": status}, generation=1)


def _when_watched(server: FakeApiServer, then: threading.Event) -> None:
    """Makes it ready once somebody waits for that."""
    while not server.count("WATCH", "deployments"):
        if then.wait(0.01):
            return
    _put(server, available=0)  # a change that isn't the end
    _put(server, available=1)


def test_a_workload_that_became_ready_is_noticed_at_once(
    server: FakeApiServer, client: ClusterClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rollout_wait, "POLL_SECONDS", LONG)
    _put(server, available=0)
    ended = threading.Event()
    threading.Thread(target=_when_watched, args=(server, ended), daemon=True).start()
    try:
        rollout_wait.wait_until_ready(client, WEB)
    finally:
        ended.set()


def test_without_permission_to_watch_it_looks_regularly(
    server: FakeApiServer, client: ClusterClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rollout_wait, "POLL_SECONDS", 0.01)
    server.forbidden.add("/apis/apps/v1/namespaces/shop-a-1/deployments")
    _put(server, available=0)
    threading.Timer(0.1, _put, (server, 1)).start()
    rollout_wait.wait_until_ready(client, WEB)
    assert server.count("GET", "deployments/web") > 1


def test_a_workload_that_is_deleted_fails(
    server: FakeApiServer, client: ClusterClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rollout_wait, "POLL_SECONDS", LONG)
    _put(server, available=0)
    ended = threading.Event()

    def delete_when_watched() -> None:
        while not server.count("WATCH", "deployments"):
            if ended.wait(0.01):
                return
        server.remove("/apis/apps/v1/namespaces/shop-a-1/deployments/web")

    threading.Thread(target=delete_when_watched, daemon=True).start()
    try:
        with pytest.raises(KubernetesError):
            rollout_wait.wait_until_ready(client, WEB)
    finally:
        ended.set()
