"""The digests that pods run, compared with those that were pinned for the commit (I1, I2)."""

from __future__ import annotations

from typing import Any

import pytest

from programs.targets.kubernetes.api.cluster import ClusterClient
from programs.targets.kubernetes.observation import rollout_wait, running_images
from programs.targets.kubernetes.observation.rollout_wait import AwaitedWorkload
from tests.targets.kubernetes.recorded_program import IMAGE, kubernetes_spec, record_program

WANTED, OTHER = f"sha256:{'a' * 64}", f"sha256:{'b' * 64}"
STATUSES = {"containers": "containerStatuses", "initContainers": "initContainerStatuses"}
APPLIED = {"app": f"registry.test/acme/shop@{WANTED}", "proxy": "envoy:1"}


def pod(image: str, image_id: str, kind: str = "containers") -> dict[str, Any]:
    return {
        "spec": {kind: [{"name": "app", "image": image}, {"name": "proxy", "image": "envoy:2"}]},
        "status": {STATUSES[kind]: [{"name": "app", "imageID": image_id}]},
    }


@pytest.mark.parametrize(
    ("image", "image_id"),
    [
        (APPLIED["app"], APPLIED["app"]),
        (f"mirror.test/acme/shop@{WANTED}", f"mirror.test/acme/shop@{WANTED}"),
        (APPLIED["app"], f"registry.test/acme/shop@{OTHER}"),
        ("mirror.test/acme/shop:1", f"mirror.test/acme/shop@{WANTED}"),
        ("acme/shop:1", ""),
    ],
    ids=["as applied", "from a mirror", "one image of an index", "a tag with this digest", "not started yet"],
)
def test_same_image_by_another_name_is_accepted(image: str, image_id: str) -> None:
    assert running_images.different_image([pod(image, image_id)], APPLIED) == ""


@pytest.mark.parametrize("kind", ["containers", "initContainers"])
@pytest.mark.parametrize(
    ("image", "image_id"),
    [
        (f"registry.test/acme/shop@{OTHER}", f"registry.test/acme/shop@{OTHER}"),
        ("registry.test/acme/shop:1.4", f"registry.test/acme/shop@{OTHER}"),
        ("registry.test/acme/shop:1.4", "sha256:" + "c" * 64),
    ],
)
def test_replaced_image_is_reported(image: str, image_id: str, kind: str) -> None:
    found = running_images.different_image([pod(image, image_id, kind)], APPLIED)
    assert f"container app runs {image}" in found
    assert WANTED in found


class OneDeployment(ClusterClient):
    """A cluster with one ready deployment, whose pod runs ``image``."""

    def __init__(self, image: str) -> None:
        self.image = image

    def get_namespaced(self, namespace: str, kind: str, name: str) -> dict[str, Any]:
        status = {"observedGeneration": 1, "updatedReplicas": 1, "replicas": 1, "availableReplicas": 1}
        spec = {"selector": {"matchLabels": {"app": name}}}
        return {"metadata": {"name": name, "namespace": namespace, "generation": 1}, "spec": spec, "status": status}

    def list_namespaced(self, namespace: str, kind: str, **query: str | int) -> list[dict[str, Any]]:
        metadata = {"name": "web-1", "namespace": namespace}
        return [{"metadata": metadata, **pod(self.image, self.image)}] if kind == "v1/pods" and query else []


def test_ready_workload_with_another_digest_fails() -> None:
    """I1: the rollout is complete and healthy, but an admission webhook put another version in."""
    wanted = AwaitedWorkload("shop-a-42", "Deployment", "web", "service web", 10, APPLIED)
    assert rollout_wait.check_status(OneDeployment(APPLIED["app"]), wanted).ready
    found = rollout_wait.check_status(OneDeployment(f"registry.test/acme/shop@{OTHER}"), wanted)
    assert not found.ready
    assert "admission webhook" in found.failure


def test_wait_knows_what_each_container_was_applied_with() -> None:
    made = record_program(kubernetes_spec()).resources
    assert made["ready:deployment-web"]["images"] == {"web": IMAGE}
