"""The objects of a preview in another namespace, by kubectl alone: what a person would type without Eph."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import httpx

from orchestrator.app.demo.clusters import Site
from orchestrator.core.views import EnvironmentView
from programs.kubernetes import names

PATIENCE = 180.0
KINDS = "serviceaccount,secret,resourcequota,limitrange,networkpolicy,service,deployment,ingress"
_GIVEN = ("uid", "resourceVersion", "creationTimestamp", "generation", "managedFields", "selfLink", "ownerReferences")


def kubectl(site: Site, *words: str, stdin: str = "") -> str:
    command = ["kubectl", "--kubeconfig", str(site.kubeconfig), *words]
    return subprocess.run(command, input=stdin, capture_output=True, text=True, check=True, timeout=PATIENCE).stdout


def until_empty(site: Site, space: str) -> None:
    _await(lambda: not json.loads(kubectl(site, "get", "pods", "-n", space, "-o", "json"))["items"], f"{space} empty")


def _await(true: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not true():
        if time.monotonic() > deadline:
            raise RuntimeError(f"not within {PATIENCE:.0f} s: {what}")
        time.sleep(0.05)


@contextmanager
def copied(site: Site, preview: EnvironmentView, name: str) -> Iterator[ByHand]:
    """The copy is made by ``apply``, and gone with the block."""
    try:
        yield ByHand(site, preview, name)
    finally:
        kubectl(site, "delete", "namespace", name, "--ignore-not-found", "--wait=false")


class ByHand:
    """A copy of a preview that answers at a host name of its own."""

    def __init__(self, site: Site, preview: EnvironmentView, name: str) -> None:
        self._site = site
        self._preview = preview
        self._name = name
        self._host = f"{name}.preview.test"

    def apply(self) -> float:
        """Seconds until its page answers."""
        text = self._objects()
        begun = time.monotonic()
        kubectl(self._site, "apply", "-f", "-", stdin=text)
        return self._answered(begun)

    def sleep(self) -> None:
        self._scale(0)
        until_empty(self._site, self._name)
        _await(lambda: self._status() != httpx.codes.OK, f"{self._host} away")

    def wake(self) -> float:
        begun = time.monotonic()
        self._scale(1)
        return self._answered(begun)

    def _scale(self, replicas: int) -> None:
        kubectl(self._site, "scale", "deployment/web", f"--replicas={replicas}", "-n", self._name)

    def _answered(self, begun: float) -> float:
        _await(lambda: self._status() == httpx.codes.OK, f"{self._host} answers")
        return time.monotonic() - begun

    def _status(self) -> int:
        try:
            return httpx.get(self._site.ingress, headers={"Host": self._host}, trust_env=False).status_code
        except httpx.HTTPError:
            return 0

    def _objects(self) -> str:
        listed = kubectl(self._site, "get", KINDS, "-n", self._preview.name, "-o", "json")
        objects = [self._copy(item) for item in json.loads(listed)["items"] if _is_asked_for(item)]
        space = json.loads(kubectl(self._site, "get", "namespace", self._preview.name, "-o", "json"))
        labels = {key: text for key, text in space["metadata"]["labels"].items() if key.startswith("pod-security")}
        made = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self._name, "labels": labels}}
        text = json.dumps({"apiVersion": "v1", "kind": "List", "items": [made, *objects]})
        return text.replace(self._preview.host, self._host)

    def _copy(self, item: Mapping[str, Any]) -> dict[str, Any]:
        about = {key: value for key, value in item["metadata"].items() if key not in _GIVEN}
        data = {**item, "metadata": {**about, "namespace": self._name}}
        data.pop("status", None)
        for key in ("clusterIP", "clusterIPs"):
            data.get("spec", {}).pop(key, None)
        return data


def _is_asked_for(item: Mapping[str, Any]) -> bool:
    about = item["metadata"]
    return bool(about.get("labels", {}).get(names.ENVIRONMENT)) and not about.get("ownerReferences")
