"""Eph as installed by its chart: the image built and pushed, a Git host in a pod, a release, and requests to it."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from orchestrator.demo.github.demo_github import DemoGitHub
from stacks.toolchain import plugins
from tests.cluster.cluster_access import ROOT, TEST_LABEL, Cluster, wait_for

RELEASE, REPOSITORY = "eph", "acme/shop"
NAMESPACE = f"eph-test-install-{secrets.token_hex(3)}"
"""Of this run, because another one may be using the same cluster."""
DOMAIN = f"{NAMESPACE}.test"
SERVICE_ACCOUNT = f"system:serviceaccount:{NAMESPACE}:{RELEASE}"
PASSPHRASE = "correct horse battery staple"
FORGE_PORT = 8080


def build_image(site: Cluster) -> str:
    """Built from the Dockerfile and pushed to the cluster's registry; returns the repository. ``EPH_TEST_IMAGE``: the
    repository of an image that is already in a registry, with the tag test."""
    if given := os.environ.get("EPH_TEST_IMAGE"):
        return given
    env = {
        **os.environ,
        "PYTHON": str(ROOT / ".venv" / "bin" / "python"),
        "EPH_IMAGE_CREDENTIALS": site.auth,
        "EPH_IMAGE_PLAIN_HTTP": "yes",
    }
    repository = f"{site.registry}/tools/eph"
    script = [str(ROOT / "infra" / "docker" / "build.sh"), f"docker://{repository}:test"]
    built = subprocess.run(script, env=env, cwd=ROOT, capture_output=True, text=True, timeout=1500, check=False)
    assert built.returncode == 0, built.stderr[-3000:]
    return repository


@dataclass
class ChartRelease:
    """A release in its own namespace. ``cluster_resources`` are outside of it and deleted by hand."""

    site: Cluster
    folder: Path
    repository: str
    cluster_resources: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.forge = DemoGitHub(self.folder / "forge")

    def kubectl(self, *words: str, stdin: str = "") -> str:
        return self.site.kubectl("-n", NAMESPACE, *words, stdin=stdin)

    def _helm_command(self) -> list[str]:
        helm = plugins.find(plugins.HELM) / "helm"
        return [str(helm), "--kubeconfig", str(self.site.kubeconfig), "-n", NAMESPACE]

    def helm(self, *words: str, values: dict[str, Any] | None = None) -> str:
        command = [*self._helm_command(), *words]
        given = json.dumps(values) if values is not None else None
        done = subprocess.run(command, input=given, capture_output=True, text=True, timeout=400, check=False)
        assert done.returncode == 0, done.stderr + self.logs()
        return done.stdout

    # --- prerequisites

    def prepare(self) -> None:
        self.site.namespace(NAMESPACE, **{"pod-security.kubernetes.io/enforce": "restricted"})
        self.site.kubectl("label", "namespace", NAMESPACE, f"{TEST_LABEL}-")  # it has its own cleanup: ``clear``
        self._forge()
        self._volume()
        pull = {".dockerconfigjson": self.site.pull_secret().read_text()}
        self._secret("pull-previews", pull, "kubernetes.io/dockerconfigjson")
        self._secret("way-in", {"token": self.forge.token("eph-bot")})
        self._secret("words", {"passphrase": PASSPHRASE})

    def _secret(self, name: str, data: dict[str, str], kind: str = "Opaque") -> None:
        about = {"name": name, "namespace": NAMESPACE}
        self.site.apply({"apiVersion": "v1", "kind": "Secret", "metadata": about, "type": kind, "stringData": data})

    def _forge(self) -> None:
        """The sandbox, from the same image that is under test."""
        address = f"http://forge.{NAMESPACE}:{FORGE_PORT}"
        words = ["--root", "/data", "--host", "0.0.0.0"]
        words += ["--port", str(FORGE_PORT), "--url", address]
        container = {
            "name": "forge",
            "image": f"{self.repository}:test",
            "args": ["python3", "-m", "orchestrator.demo.github", *words],
            "volumeMounts": [{"name": "data", "mountPath": "/data"}],
            "resources": {"requests": {"cpu": "250m"}},  # otherwise, on a busy machine
            "readinessProbe": {
                "httpGet": {"path": "/_sandbox/stats", "port": FORGE_PORT},
                "periodSeconds": 1,
                "timeoutSeconds": 10,
            },
            "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
        }
        spec = {
            "containers": [container],
            "imagePullSecrets": [{"name": "pull"}],
            "volumes": [{"name": "data", "emptyDir": {}}],
            "automountServiceAccountToken": False,
            "terminationGracePeriodSeconds": 0,
            "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        }
        about = {"name": "forge", "namespace": NAMESPACE, "labels": {"app": "forge"}}
        ports = {"selector": {"app": "forge"}, "ports": [{"port": FORGE_PORT}]}
        self.site.apply(
            {"apiVersion": "v1", "kind": "Pod", "metadata": about, "spec": spec},
            {"apiVersion": "v1", "kind": "Service", "metadata": about, "spec": ports},
        )
        ready = ("get", "pod", "forge", "-o", "jsonpath={.status.containerStatuses[0].ready}")
        wait_for(lambda: self.kubectl(*ready) == "true", 300)  # the first pull of the image
        self.forge.url = (
            f"http://{self.site.get('service', 'forge', '-n', NAMESPACE)['spec']['clusterIP']}:{FORGE_PORT}"
        )
        self.forge.root.mkdir()
        (self.forge.root / "tokens.json").write_text(self.kubectl("exec", "forge", "--", "cat", "/data/tokens.json"))

    def _volume(self) -> None:
        """If no storage class creates volumes, one on the node's disk."""
        if self.site.get("storageclasses")["items"]:
            return
        place = self.folder / "volume"
        place.mkdir()
        node = self.site.get("nodes")["items"][0]["metadata"]["labels"]["kubernetes.io/hostname"]
        on = {"key": "kubernetes.io/hostname", "operator": "In", "values": [node]}
        spec = {
            "capacity": {"storage": "1Gi"},
            "accessModes": ["ReadWriteOnce"],
            "persistentVolumeReclaimPolicy": "Retain",
            "claimRef": {"namespace": NAMESPACE, "name": f"home-{RELEASE}-0"},
            "local": {"path": str(place)},
            "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [on]}]}},
        }
        about = {"name": f"{NAMESPACE}-home"}
        self.site.apply({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": about, "spec": spec})
        self.cluster_resources.append(f"persistentvolume/{about['name']}")

    # --- the release

    @property
    def values(self) -> dict[str, Any]:
        site = self.site
        return {
            "image": {"repository": self.repository, "tag": "test", "pullPolicy": "Always", "pullSecrets": ["pull"]},
            "settings": {
                "domain": DOMAIN,
                "public_url": "http://{host}",
                "interval": 3,
                "forge": {"url": f"http://forge.{NAMESPACE}:{FORGE_PORT}/api/v3", "repositories": [REPOSITORY]},
                "kubernetes": {"ingress_url": site.ingress, "plain_http": [site.registry]},
            },
            "secrets": {
                "forge": {"name": "way-in"},
                "passphrase": {"name": "words"},
                "images": {"name": "pull-previews"},
            },
            "resources": {"ephd": {"requests": {"cpu": "500m"}}, "gateway": {"requests": {"cpu": "100m"}}},
            "persistence": {"size": "1Gi", "whenDeleted": "Delete"},
            "ingress": {"enabled": True, "className": site.ingress_class, "host": f"eph.{DOMAIN}"},
            "wildcard": {"enabled": True, "className": site.ingress_class},
            "networkPolicy": {
                "from": [site.ingress_namespace],
                "ports": [80, 443, 6443, FORGE_PORT, int(site.registry.rpartition(":")[2])],
            },
        }

    def install(self) -> None:
        chart = str(ROOT / "infra" / "helm")
        self.helm("install", RELEASE, chart, "--wait", "--timeout", "300s", "-f", "-", values=self.values)

    def upgrade(self, router: str) -> None:
        """``router``: what routes traffic to previews."""
        values, site = self.values, self.site
        told = values["settings"]["kubernetes"]
        told["front"] = router
        if router == "ingress":
            told |= {"ingress_class": site.ingress_class, "ingress_namespace": site.ingress_namespace}
        chart = str(ROOT / "infra" / "helm")
        self.helm("upgrade", RELEASE, chart, "--wait", "--timeout", "300s", "-f", "-", values=values)

    def logs(self) -> str:
        """The last lines of ephd and its gateway, for failures."""
        logs = ["kubectl", "--kubeconfig", self.site.kubeconfig, "-n", NAMESPACE, "logs", f"{RELEASE}-0", "--tail=30"]
        told = [subprocess.run([*logs, "-c", name], capture_output=True, text=True) for name in ("ephd", "gateway")]
        return "\n".join(done.stdout + done.stderr for done in told)

    def run_in_pod(self, *words: str, container: str = "ephd") -> str:
        return self.kubectl("exec", f"{RELEASE}-0", "-c", container, "--", *words).strip()

    def denied(self, *words: str) -> str:
        """What the cluster says when Eph's own account tries this; nothing is changed if it is allowed."""
        command = ["kubectl", "--kubeconfig", self.site.kubeconfig, "--as", SERVICE_ACCOUNT, *words]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        return done.stderr if done.returncode else ""

    def scale_up_count(self, namespace: str, name: str) -> int:
        """How often that workload was scaled from zero, according to the cluster's events."""
        about = f"reason=ScalingReplicaSet,involvedObject.name={name}"
        events = self.site.get("events", "-n", namespace, "--field-selector", about)["items"]
        return sum(event.get("count") or 1 for event in events if event["message"].endswith("from 0 to 1"))

    def comment(self, number: int) -> str:
        bodies = [item["body"] for item in self.forge.comments(REPOSITORY, number) if "<!-- eph:" in item["body"]]
        return str(bodies[0]) if bodies else ""

    def _comment_contains(self, number: int, text: str) -> bool:
        with contextlib.suppress(httpx.TransportError):
            return text in self.comment(number)
        return False

    def wait_for_comment(self, number: int, text: str, seconds: float = 120) -> str:
        try:
            wait_for(lambda: self._comment_contains(number, text), seconds)
        except AssertionError as late:
            raise AssertionError(f"no {text!r} in {self.comment(number)!r}\n{self.logs()}") from late
        return self.comment(number)

    def remaining(self) -> list[str]:
        """Everything with the release's label, of every kind that can be listed."""
        kinds = self.site.kubectl("api-resources", "--verbs=list", "-o", "name").split()
        kinds = [kind for kind in kinds if not kind.startswith("events")]
        label = f"app.kubernetes.io/instance={RELEASE},app.kubernetes.io/name=eph"
        listed = self.site.kubectl("get", ",".join(kinds), "-A", "-l", label, "-o", "name")
        claims = self.kubectl("get", "persistentvolumeclaims,secrets", "-o", "name").split()
        return listed.split() + [name for name in claims if "home-" in name or "helm" in name]

    def clear(self) -> None:
        """Also after a test that failed half-way: its environments are those with a binding of its account."""
        self.forge.close()
        gone = ["delete", "--ignore-not-found", "--wait=false"]
        for item in self.site.get("rolebindings", "-A", "--field-selector", "metadata.name=eph-server")["items"]:
            if item["subjects"][0]["namespace"] == NAMESPACE:
                self.site.kubectl(*gone, "namespace", item["metadata"]["namespace"])
        uninstall = [*self._helm_command(), "uninstall", RELEASE, "--ignore-not-found"]
        subprocess.run(uninstall, capture_output=True, timeout=60, check=False)
        self.site.kubectl("delete", "namespace", NAMESPACE, "--ignore-not-found", "--timeout=60s")
        for name in self.cluster_resources:
            self.site.kubectl(*gone, name)
