"""The cluster as tests see it, and what they do there by hand: apply, inspect, run something in a pod."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import time
import urllib.parse
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

from orchestrator.demo.cluster.base_images import postgres_image
from orchestrator.demo.cluster.registry_push import DemoRegistry

ROOT = Path(__file__).parents[2]
TEST_LABEL = "eph-test"
"""A label of every namespace that a test makes by hand."""


def wait_for(condition: Callable[[], Any], seconds: float = 60.0, interval: float = 0.2) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "it did not become true in time"
        time.sleep(interval)
    return found


@dataclass
class Cluster:
    """A cluster, its registry and its ingress. ``namespaces``: created here by hand, deleted at the end."""

    folder: Path
    kubeconfig: str
    registry: str
    auth: str
    ingress: str
    ingress_class: str
    ingress_namespace: str
    tools: Path
    namespaces: list[str] = field(default_factory=list)
    digests: dict[str, str] = field(default_factory=dict)

    @staticmethod
    def from_environment(folder: Path, env: Mapping[str, str]) -> Cluster:
        return Cluster(
            folder=folder,
            kubeconfig=env["EPH_TEST_KUBECONFIG"],
            registry=env["EPH_TEST_REGISTRY"],
            auth=Path(env["EPH_TEST_REGISTRY_AUTH"]).read_text().strip(),
            ingress=env["EPH_TEST_INGRESS"],
            ingress_class=env.get("EPH_TEST_INGRESS_CLASS", "test"),
            ingress_namespace=env.get("EPH_TEST_INGRESS_NAMESPACE", "ingress"),
            tools=Path(env["EPH_TEST_TOOLS"]),
        )

    def image(self, name: str) -> str:
        """A sample image (``acme/shop:v1``) as a program receives it: by its digest."""
        return f"{self.registry}/{name.partition(':')[0]}@{self.digests[name]}"

    def kubectl(self, *words: str, stdin: str = "") -> str:
        command = ["kubectl", "--kubeconfig", self.kubeconfig, "--request-timeout=30s", *words]
        done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False, timeout=120)
        assert done.returncode == 0, f"{' '.join(words)}: {done.stderr}"
        return done.stdout

    def apply(self, *objects: dict[str, Any]) -> None:
        self.kubectl("apply", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}))

    def get(self, *words: str) -> Any:
        return json.loads(self.kubectl("get", *words, "-o", "json"))

    def registry_client(self) -> DemoRegistry:
        user, _, password = self.auth.partition(":")
        return DemoRegistry(f"http://{self.registry}", user, password)

    def pods_created(self, namespace: str, service: str) -> int:
        """How many pods of that service ever existed, according to the cluster's events."""
        events = self.get("events", "-n", namespace, "--field-selector", "reason=SuccessfulCreate")["items"]
        own = (event for event in events if event["involvedObject"]["name"].startswith(f"{service}-"))
        return sum(event.get("count") or 1 for event in own)

    def pull_secret(self) -> Path:
        """A Docker configuration with the registry's credentials."""
        user, _, password = self.auth.partition(":")
        path = self.folder / "docker.json"
        path.write_text(json.dumps({"auths": {self.registry: {"username": user, "password": password}}}))
        return path

    def namespace(self, name: str, **labels: str) -> str:
        data = {
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {"name": name, "labels": {TEST_LABEL: "yes", **labels}},
        }
        secret = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "pull", "namespace": name},
            "type": "kubernetes.io/dockerconfigjson",
            "stringData": {".dockerconfigjson": self.pull_secret().read_text()},
        }
        self.apply(data, secret)
        self.namespaces.append(name)
        return name

    def clear(self) -> None:
        if self.namespaces:
            # By name, because others may be using the same cluster.
            self.kubectl("delete", "namespace", *self.namespaces, "--ignore-not-found", "--wait=false")

    def create_pods(self, namespace: str, *names: str, **labels: str) -> dict[str, str]:
        """Creates pods of the sample app, waits for them, and returns their addresses."""
        self.apply(*(self._pod(namespace, name, labels) for name in names))
        for name in names:
            self.kubectl("-n", namespace, "wait", "--for=condition=Ready", f"pod/{name}", "--timeout=90s")
        return {name: self.get("pod", name, "-n", namespace)["status"]["podIP"] for name in names}

    def _pod(self, namespace: str, name: str, labels: Mapping[str, str]) -> dict[str, Any]:
        container = {
            "name": "app",
            "image": f"{self.registry}/acme/shop:v1",
            "ports": [{"name": "http", "containerPort": 8080}],
            "readinessProbe": {"tcpSocket": {"port": 8080}, "periodSeconds": 1},
        }
        return {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "namespace": namespace, "labels": {"app": name, **labels}},
            "spec": {
                "containers": [container],
                "imagePullSecrets": [{"name": "pull"}],
                "terminationGracePeriodSeconds": 0,
            },
        }

    def can_connect(self, namespace: str, pod: str, address: str) -> bool:
        """Whether a connection from inside that pod to ``host:port`` succeeds."""
        ask = f"http://127.0.0.1:8080/connect?to={urllib.parse.quote(address)}"
        return "yes" in self.kubectl("-n", namespace, "exec", pod, "--", "tools", "fetch", ask)

    def fetch_from(self, namespace: str, pod: str, url: str) -> str:
        """What a URL returns inside that pod's network; starts with ``no:`` if nothing responds."""
        ask = f"http://127.0.0.1:8080/fetch?url={urllib.parse.quote(url)}"
        return self.kubectl("-n", namespace, "exec", pod, "--", "tools", "fetch", ask).partition(" ")[2].strip()


def images() -> ModuleType:
    """The script that builds the cluster's images is next to the cluster's scripts, which aren't a package."""
    place = ROOT / "infra" / "toolchain" / "cluster" / "images.py"
    spec = importlib.util.spec_from_file_location("cluster_images", place)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    import sys

    sys.modules["cluster_images"] = module
    spec.loader.exec_module(module)
    return module


def push_images(site: Cluster) -> None:
    registry, tools = site.registry_client(), site.tools / "tools"
    registry.push(postgres_image(), "library/postgres", "15")
    for version in ("v1", "v2"):
        site.digests[f"acme/shop:{version}"] = registry.push(images().app(tools, version), "acme/shop", version)
