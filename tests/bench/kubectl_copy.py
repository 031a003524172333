"""The objects of a preview in another namespace, by kubectl alone: what a person would type without Eph."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any

from orchestrator.core.views.environment_views import EnvironmentView
from programs.targets.kubernetes.api import object_names
from tests.cluster.cluster_access import Cluster, wait_for
from tests.cluster.environments import Page

TIMEOUT = 180.0
KINDS = "serviceaccount,secret,resourcequota,limitrange,networkpolicy,service,deployment,ingress"
_SERVER_SET_FIELDS = (
    "uid",
    "resourceVersion",
    "creationTimestamp",
    "generation",
    "managedFields",
    "selfLink",
    "ownerReferences",
)


def wait_until_empty(site: Cluster, namespace: str) -> None:
    _wait_for(lambda: not site.get("pods", "-n", namespace)["items"])


def _wait_for(condition: Callable[[], bool]) -> None:
    wait_for(condition, TIMEOUT, interval=0.05)


@contextmanager
def kubectl_copy(site: Cluster, preview: EnvironmentView, name: str) -> Iterator[KubectlCopy]:
    """The copy is made by ``apply``, and gone with the block."""
    try:
        yield KubectlCopy(site, preview, name)
    finally:
        site.kubectl("delete", "namespace", name, "--ignore-not-found", "--wait=false")


class KubectlCopy:
    """A copy of a preview that answers at a host name of its own."""

    def __init__(self, site: Cluster, preview: EnvironmentView, name: str) -> None:
        self._site = site
        self._preview = preview
        self._name = name
        self._page = Page(site, f"{name}.preview.test")

    def apply(self) -> float:
        """Seconds until its page answers."""
        objects = self._manifests()
        begun = time.monotonic()
        self._site.apply(*objects)
        return self._seconds_until_answer(begun)

    def sleep(self) -> None:
        self._scale(0)
        wait_until_empty(self._site, self._name)
        _wait_for(lambda: self._page.request()[0] != HTTPStatus.OK)

    def wake(self) -> float:
        begun = time.monotonic()
        self._scale(1)
        return self._seconds_until_answer(begun)

    def _scale(self, replicas: int) -> None:
        self._site.kubectl("scale", "deployment/web", f"--replicas={replicas}", "-n", self._name)

    def _seconds_until_answer(self, started: float) -> float:
        _wait_for(lambda: self._page.request()[0] == HTTPStatus.OK)
        return time.monotonic() - started

    def _manifests(self) -> list[dict[str, Any]]:
        """The host name, which stands in several of them, is another one."""
        listed = self._site.get(KINDS, "-n", self._preview.name)["items"]
        space = self._site.get("namespace", self._preview.name)
        labels = {key: text for key, text in space["metadata"]["labels"].items() if key.startswith("pod-security")}
        made = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self._name, "labels": labels}}
        text = json.dumps([made, *(self._copy(item) for item in listed if _is_created_by_eph(item))])
        found: list[dict[str, Any]] = json.loads(text.replace(self._preview.host, self._page.host))
        return found

    def _copy(self, item: Mapping[str, Any]) -> dict[str, Any]:
        about = {key: value for key, value in item["metadata"].items() if key not in _SERVER_SET_FIELDS}
        data = {**item, "metadata": {**about, "namespace": self._name}}
        data.pop("status", None)
        for key in ("clusterIP", "clusterIPs"):
            data.get("spec", {}).pop(key, None)
        return data


def _is_created_by_eph(item: Mapping[str, Any]) -> bool:
    about = item["metadata"]
    return bool(about.get("labels", {}).get(object_names.ENVIRONMENT)) and not about.get("ownerReferences")
