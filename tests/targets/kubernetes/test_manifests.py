"""What a repository's manifests may contain on Kubernetes, and what they become: a list of attacks (S3, T2).

Everything here is pure: files in memory in, objects or one sentence out.
"""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from programs.spec import EnvironmentSpec, GitSource
from programs.targets.kubernetes.api import object_names
from programs.targets.kubernetes.commit_files import InMemoryFiles
from programs.targets.kubernetes.errors import KubernetesError
from programs.targets.kubernetes.manifests import LoadedManifests, load_manifests
from programs.targets.kubernetes.settings import KubernetesSettings

PINNED = {"api": "registry.test/acme/shop@sha256:" + "a" * 64}
SETTINGS = KubernetesSettings(
    root=Path("/nowhere"), server="eph", pull_secret_file="/secret", registries="registry.test, redis"
)

DEPLOYMENT: dict[str, Any] = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "web", "labels": {"app": "web"}},
    "spec": {
        "selector": {"matchLabels": {"app": "web"}},
        "template": {
            "metadata": {"labels": {"app": "web"}},
            "spec": {
                "containers": [{"name": "web", "image": "api", "ports": [{"name": "http", "containerPort": 8080}]}]
            },
        },
    },
}
SERVICE: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "web"},
    "spec": {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": "http"}]},
}


def spec(**more: Any) -> EnvironmentSpec:
    return EnvironmentSpec(
        name="shop-gentle-stream-42",
        host="shop-gentle-stream-42.preview.test",
        target="kubernetes",
        project="shop",
        source=GitSource("/nowhere", "0" * 40, "feature"),
        services=(),
        images=PINNED,
        manifests=("k8s",),
        **more,
    )


def apply_manifests(*objects: dict[str, Any], settings: KubernetesSettings = SETTINGS) -> LoadedManifests:
    return load_manifests(InMemoryFiles({"k8s/all.yaml": yaml.safe_dump_all(objects)}), spec(), settings, PINNED)


def with_change(data: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """A copy with one addition at a path of keys and numbers."""
    made = copy.deepcopy(data)
    *above, last = path.split(".")
    place: Any = made
    for key in above:
        place = place[int(key)] if isinstance(place, list) else place.setdefault(key, {})
    place[last] = value
    return made


def test_plain_pair_is_applied_pinned_hardened_and_reachable() -> None:
    found = apply_manifests(DEPLOYMENT, SERVICE)
    pod = found.objects[0]["spec"]["template"]["spec"]
    assert pod["containers"][0]["image"] == PINNED["api"]
    assert pod["containers"][0]["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
    }
    assert pod["securityContext"] == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    assert (pod["serviceAccountName"], pod["automountServiceAccountToken"]) == (object_names.ACCOUNT, False)
    assert pod["imagePullSecrets"] == [{"name": object_names.PULL_SECRET}]
    assert found.objects[0]["spec"]["template"]["metadata"]["labels"][object_names.PUBLIC] == "true"
    assert (found.front_service, found.front_ports) == (("web", 80), (8080,))


def test_images_are_pinned_by_name_or_repository_and_others_must_be_allowed() -> None:
    by_repository = with_change(DEPLOYMENT, "spec.template.spec.containers.0.image", "registry.test/acme/shop:latest")
    assert (
        apply_manifests(by_repository).objects[0]["spec"]["template"]["spec"]["containers"][0]["image"] == PINNED["api"]
    )
    cache = with_change(with_change(DEPLOYMENT, "metadata.name", "cache"), f"{CONTAINER}.image", "redis:7")
    assert image_of(apply_manifests(DEPLOYMENT, cache), 1) == "redis:7"


def image_of(loaded: LoadedManifests, index: int = 0) -> str:
    return str(loaded.objects[index]["spec"]["template"]["spec"]["containers"][0]["image"])


def load_with_images(*objects: dict[str, Any], **replaced: str) -> LoadedManifests:
    files = InMemoryFiles({"k8s/all.yaml": yaml.safe_dump_all(objects)})
    return load_manifests(files, spec(replaced_images=replaced), replace(SETTINGS, registries=""), PINNED)


def test_all_refusals_are_reported_at_once() -> None:
    """Y2, P3: each with its file and object; otherwise every push would reveal one more."""
    first = with_change(with_change(DEPLOYMENT, f"{POD}.hostNetwork", True), f"{POD}.hostPID", True)
    role = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "reader"}}
    with pytest.raises(KubernetesError) as raised:
        load_with_images(first, SERVICE, role)
    assert "(3 problems in the manifests)" in raised.value.sentence
    expected = [("Deployment web", "hostNetwork"), ("Deployment web", "hostPID"), ("Role reader", "isn't allowed")]
    for line, parts in zip(raised.value.tail, expected, strict=True):
        assert all(part in line for part in ("k8s/all.yaml", *parts))


def test_listed_image_that_no_workload_runs_is_an_error() -> None:
    """I1, T2: otherwise the preview would run the release that the manifests name, and look healthy."""
    release = with_change(DEPLOYMENT, f"{CONTAINER}.image", "ghcr.io/acme/shop:1.4")
    with pytest.raises(KubernetesError) as raised:
        load_with_images(release, SERVICE)
    for part in ("no workload runs api (registry.test/acme/shop)", "ghcr.io/acme/shop:1.4", "`replaces`"):
        assert part in raised.value.sentence


@pytest.mark.parametrize(
    ("original", "named"),
    [
        ("ghcr.io/acme/shop", "ghcr.io/acme/shop:1.4"),
        ("ghcr.io/acme/shop", f"ghcr.io/acme/shop:1.4@sha256:{'b' * 64}"),
        ("acme/shop", "docker.io/acme/shop"),
        ("docker.io/library/shop", "shop:1"),
    ],
)
def test_listed_image_runs_in_place_of_the_one_that_it_replaces(original: str, named: str) -> None:
    release = with_change(DEPLOYMENT, f"{CONTAINER}.image", named)
    assert image_of(load_with_images(release, SERVICE, api=original)) == PINNED["api"]
    with pytest.raises(KubernetesError, match="no workload runs api"):
        load_with_images(release, SERVICE, api="ghcr.io/acme/worker")


POD = "spec.template.spec"
CONTAINER = f"{POD}.containers.0"
ATTACKS: list[tuple[str, Any, str]] = [
    (f"{POD}.hostNetwork", True, "hostNetwork"),
    (f"{POD}.hostPID", True, "hostPID"),
    (f"{POD}.hostIPC", True, "hostIPC"),
    (f"{POD}.hostUsers", True, "hostUsers"),
    (f"{POD}.nodeName", "node1", "nodeName"),
    (f"{POD}.nodeSelector", {"role": "control-plane"}, "nodeSelector"),
    (f"{POD}.tolerations", [{"operator": "Exists"}], "tolerations"),
    (f"{POD}.affinity", {}, "affinity"),
    (f"{POD}.priorityClassName", "system-node-critical", "priorityClassName"),
    (f"{POD}.runtimeClassName", "other", "runtimeClassName"),
    (f"{POD}.schedulerName", "other", "schedulerName"),
    (f"{POD}.hostAliases", [{"ip": "10.0.0.1", "hostnames": ["api"]}], "hostAliases"),
    (f"{POD}.dnsConfig", {"nameservers": ["1.2.3.4"]}, "dnsConfig"),
    (f"{POD}.ephemeralContainers", [], "ephemeralContainers"),
    (f"{POD}.automountServiceAccountToken", True, "don't get a service account token"),
    (f"{POD}.securityContext", {"sysctls": [{"name": "kernel.msgmax", "value": "1"}]}, "sysctls"),
    (f"{POD}.securityContext", {"seLinuxOptions": {"level": "s0"}}, "seLinuxOptions"),
    (f"{POD}.securityContext", {"runAsUser": 0}, "root"),
    (f"{POD}.securityContext", {"runAsNonRoot": False}, "runAsNonRoot"),
    (f"{POD}.securityContext", {"seccompProfile": {"type": "Unconfined"}}, "RuntimeDefault"),
    (f"{POD}.volumes", [{"name": "x", "hostPath": {"path": "/"}}], "hostPath"),
    (f"{POD}.volumes", [{"name": "x", "nfs": {"server": "a", "path": "/"}}], "nfs"),
    (f"{POD}.volumes", [{"name": "x", "csi": {"driver": "d"}}], "csi"),
    (f"{POD}.volumes", [{"name": "x", "secret": {"secretName": "eph-pull"}}], "reserved for the server"),
    (f"{POD}.volumes", [{"name": "x", "secret": {"secretName": "eph-tls"}}], "reserved for the server"),
    (
        f"{POD}.volumes",
        [{"name": "x", "projected": {"sources": [{"secret": {"name": "eph-pull"}}]}}],
        "reserved for the server",
    ),
    (
        f"{POD}.volumes",
        [{"name": "x", "projected": {"sources": [{"serviceAccountToken": {"path": "t"}}]}}],
        "serviceAccountToken",
    ),
    (f"{POD}.initContainers", [{"name": "i", "image": "api", "securityContext": {"privileged": True}}], "privileged"),
    (f"{CONTAINER}.securityContext", {"privileged": True}, "privileged"),
    (f"{CONTAINER}.securityContext", {"allowPrivilegeEscalation": True}, "allowPrivilegeEscalation"),
    (f"{CONTAINER}.securityContext", {"capabilities": {"add": ["SYS_ADMIN"]}}, "capabilities"),
    (f"{CONTAINER}.securityContext", {"procMount": "Unmasked"}, "procMount"),
    (f"{CONTAINER}.ports", [{"containerPort": 80, "hostPort": 80}], "hostPort"),
    (f"{CONTAINER}.ports", [{"containerPort": 80, "hostIP": "10.0.0.1"}], "hostIP"),
    (f"{CONTAINER}.volumeDevices", [{"name": "x", "devicePath": "/dev/sda"}], "volumeDevices"),
    (f"{CONTAINER}.envFrom", [{"secretRef": {"name": "eph-pull"}}], "reserved for the server"),
    (f"{CONTAINER}.envFrom", [{"secretRef": {"name": "eph-tls"}}], "reserved for the server"),
    (
        f"{CONTAINER}.env",
        [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "eph-pull", "key": "k"}}}],
        "reserved for the server",
    ),
    (f"{CONTAINER}.livenessProbe", {"httpGet": {"host": "169.254.169.254", "port": 80}}, "livenessProbe.httpGet.host"),
    (f"{CONTAINER}.readinessProbe", {"httpGet": {"host": "10.0.0.1", "port": 80}}, "readinessProbe.httpGet.host"),
    (f"{CONTAINER}.startupProbe", {"tcpSocket": {"host": "10.0.0.1", "port": 22}}, "startupProbe.tcpSocket.host"),
    (f"{CONTAINER}.lifecycle", {"postStart": {"httpGet": {"host": "10.0.0.1", "port": 80}}}, "postStart.httpGet.host"),
    (f"{CONTAINER}.lifecycle", {"preStop": {"httpGet": {"host": "10.0.0.1", "port": 80}}}, "preStop.httpGet.host"),
    (f"{CONTAINER}.lifecycle", {"preStop": {"tcpSocket": {"host": "10.0.0.1", "port": 1}}}, "preStop.tcpSocket.host"),
    (f"{CONTAINER}.lifecycle", {"preStop": {"sleep": {"seconds": 86400}}}, "preStop.sleep.seconds is 86400"),
    (f"{CONTAINER}.livenessProbe", {"terminationGracePeriodSeconds": 86400}, "limit in a preview is 60"),
    (f"{CONTAINER}.livenessProbe", {"httpGet": "x"}, "must be a mapping"),
    (f"{POD}.terminationGracePeriodSeconds", 315360000, "terminationGracePeriodSeconds is 315360000; the limit"),
    (f"{POD}.terminationGracePeriodSeconds", -1, "0 or greater"),
    (f"{CONTAINER}.resources", {"claims": [{"name": "gpu"}]}, "resources.claims"),
    (
        f"{CONTAINER}.volumeMounts",
        [{"name": "x", "mountPath": "/x", "mountPropagation": "Bidirectional"}],
        "must be No",
    ),
    (f"{CONTAINER}.env", [{"name": "A", "value": 1}], "put it in quotes"),
    (f"{CONTAINER}.env", ["A=1"], "must be a mapping"),
    (f"{CONTAINER}.securityContext", {"runAsUser": "0"}, "must be a number"),
    (f"{POD}.volumes", [{"name": "x", "emptyDir": {"medium": "HugePages"}}], "empty or Memory"),
    (f"{POD}.initContainers", "api", "must be a list"),
    ("spec.replicas", 1000000, "spec.replicas is 1000000; the limit"),
    ("spec.revisionHistoryLimit", 1000000, "spec.revisionHistoryLimit is 1000000; the limit"),
    ("metadata.labels", ["eph.dev/environment"], "metadata.labels must be a mapping"),
    (f"{CONTAINER}.image", "evil.test/miner:1", "only allows images from"),
    (f"{CONTAINER}.image", "UPPER//x", "not a reference"),
    ("metadata.namespace", "kube-system", "metadata.namespace"),
    ("metadata.namespace", "shop-other-words-43", "metadata.namespace"),
    ("metadata.finalizers", ["example.com/never"], "finalizers"),
    ("metadata.ownerReferences", [], "ownerReferences"),
    ("metadata.generateName", "x", "generateName"),
    ("metadata.name", "eph-db-main", "reserved for Eph"),
    ("metadata.name", "../../secrets/x", "lowercase letters"),
    ("metadata.labels", {"eph.dev/environment": "shop-other-words-43"}, "reserved for Eph"),
    ("metadata.annotations", {"eph.dev/ephemeral-ttl": "9999h"}, "reserved for Eph"),
    ("metadata.annotations", {"pulumi.com/skipAwait": "false"}, "pulumi.com/skipAwait"),
    ("metadata.annotations", {"external-dns.alpha.kubernetes.io/hostname": "bank.test"}, "external-dns"),
    ("spec.template.metadata", {"labels": {"eph.dev/public": "true"}}, "reserved for Eph"),
    ("spec.template.metadata", {"annotations": {"iam.amazonaws.com/role": "admin"}}, "iam.amazonaws.com"),
]


@pytest.mark.parametrize(("path", "value", "word"), ATTACKS, ids=[f"{path} {word}" for path, _, word in ATTACKS])
def test_escapes_are_rejected_by_file_and_object(path: str, value: Any, word: str) -> None:
    with pytest.raises(KubernetesError) as refused:
        apply_manifests(with_change(DEPLOYMENT, path, value))
    sentence = refused.value.sentence
    assert sentence.startswith("k8s/all.yaml: Deployment ")
    assert word in sentence


TEMPLATE = DEPLOYMENT["spec"]["template"]
STATEFUL_SET: dict[str, Any] = {"apiVersion": "apps/v1", "kind": "StatefulSet", "spec": {"template": TEMPLATE}}
JOB: dict[str, Any] = {"apiVersion": "batch/v1", "kind": "Job", "spec": {"template": TEMPLATE}}
STUCK_CLAIM = {"metadata": {"name": "data", "finalizers": ["example.com/never"]}, "spec": {}}
ENDLESS = {"schedule": "* * * * *", "successfulJobsHistoryLimit": 1_000_000}
FORBIDDEN_KINDS: list[tuple[dict[str, Any], str]] = [
    ({"apiVersion": "v1", "kind": "Namespace"}, "kinds"),
    ({"apiVersion": "v1", "kind": "Node"}, "kinds"),
    ({"apiVersion": "v1", "kind": "PersistentVolume", "spec": {"hostPath": {"path": "/"}}}, "kinds"),
    ({"apiVersion": "v1", "kind": "Pod", "spec": {"containers": []}}, "kinds"),
    ({"apiVersion": "v1", "kind": "ServiceAccount"}, "kinds"),
    ({"apiVersion": "v1", "kind": "Endpoints", "subsets": []}, "kinds"),
    ({"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice"}, "kinds"),
    ({"apiVersion": "v1", "kind": "ResourceQuota", "spec": {"hard": {"pods": "1000"}}}, "kinds"),
    ({"apiVersion": "v1", "kind": "LimitRange"}, "kinds"),
    ({"apiVersion": "apps/v1", "kind": "DaemonSet"}, "kinds"),
    ({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding"}, "kinds"),
    ({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding"}, "kinds"),
    (
        {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "spec": {"podSelector": {}, "egress": [{}]}},
        "kinds",
    ),
    ({"apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingWebhookConfiguration"}, "kinds"),
    ({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition"}, "kinds"),
    ({"apiVersion": "batch/v1beta1", "kind": "CronJob"}, "kinds"),
    ({"apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute"}, "kinds"),
    ({**SERVICE, "spec": {**SERVICE["spec"], "type": "LoadBalancer"}}, "ClusterIP"),
    ({**SERVICE, "spec": {**SERVICE["spec"], "type": "NodePort"}}, "ClusterIP"),
    ({**SERVICE, "spec": {"type": "ExternalName", "externalName": "metadata.google.internal"}}, "externalName"),
    ({**SERVICE, "spec": {**SERVICE["spec"], "externalIPs": ["10.0.0.1"]}}, "externalIPs"),
    ({**SERVICE, "spec": {**SERVICE["spec"], "loadBalancerIP": "10.0.0.1"}}, "loadBalancerIP"),
    ({**SERVICE, "spec": {**SERVICE["spec"], "clusterIP": "10.96.0.10"}}, "clusterIP"),
    ({**SERVICE, "spec": {"ports": [{"port": 80}]}}, "selector"),
    ({**SERVICE, "spec": {**SERVICE["spec"], "ports": [{"port": 80, "nodePort": 30000}]}}, "nodePort"),
    (
        {"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/service-account-token"},
        "service-account-token",
    ),
    ({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "spec": {"volumeName": "other"}}, "volumeName"),
    (
        {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "spec": {"dataSourceRef": {"namespace": "other"}}},
        "dataSourceRef",
    ),
    ({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "spec": {}}, "no storage"),
    ({**STATEFUL_SET, "spec": {**STATEFUL_SET["spec"], "volumeClaimTemplates": [STUCK_CLAIM]}}, "finalizers"),
    ({**JOB, "spec": {**JOB["spec"], "completions": 1000000}}, "spec.completions is 1000000"),
    ({**JOB, "spec": {}}, "spec.template is missing"),
    (
        {"apiVersion": "batch/v1", "kind": "CronJob", "spec": {"jobTemplate": {"spec": JOB["spec"]}, **ENDLESS}},
        "successfulJobsHistoryLimit is 1000000",
    ),
    (
        {
            "apiVersion": "autoscaling/v2",
            "kind": "HorizontalPodAutoscaler",
            "spec": {"metrics": [{"type": "External", "external": {}}]},
        },
        "metrics",
    ),
]


@pytest.mark.parametrize(
    ("data", "word"), FORBIDDEN_KINDS, ids=[f"{data['kind']} {word}" for data, word in FORBIDDEN_KINDS]
)
def test_kinds_and_fields_beyond_the_namespace_are_rejected(data: dict[str, Any], word: str) -> None:
    named = {**data, "metadata": {"name": "web"}}
    with pytest.raises(KubernetesError, match=word.replace("no storage", "storage_class is empty")) as refused:
        apply_manifests(named)
    assert refused.value.sentence.startswith(f"k8s/all.yaml: {data['kind']} web: ")


def test_null_removes_no_security_setting_of_ours() -> None:
    """S3: to Kubernetes, null deletes a field. `kubectl create --dry-run` writes it, so it isn't rejected."""
    attack = with_change(DEPLOYMENT, f"{POD}.securityContext", {"runAsNonRoot": None, "seccompProfile": None})
    attack = with_change(
        attack, f"{CONTAINER}.securityContext", {"allowPrivilegeEscalation": None, "capabilities": None}
    )
    attack = with_change(attack, "metadata.creationTimestamp", None)
    assert apply_manifests(attack).objects == apply_manifests(DEPLOYMENT).objects


def test_disruption_budget_is_accepted_but_blocks_no_drain() -> None:
    """S3: with one replica, every budget that isn't empty would keep a node from being drained."""
    budget = {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": "web"},
        "spec": {"minAvailable": "100%", "selector": {"matchLabels": {"app": "web"}}},
    }
    assert apply_manifests(DEPLOYMENT, budget).objects == apply_manifests(DEPLOYMENT).objects


def test_common_fields_of_real_manifests_are_allowed() -> None:
    """T2: everything that the sample below contains is passed on as it is."""
    probe = {"httpGet": {"path": "/", "port": "http", "httpHeaders": [{"name": "X", "value": "1"}]}, "periodSeconds": 5}
    full = {
        "args": ["--port", "8080"],
        "env": [
            {"name": "A", "value": "1"},
            {"name": "B", "valueFrom": {"secretKeyRef": {"name": "own", "key": "k"}}},
            {"name": "C", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
            {"name": "D", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu", "divisor": "1m"}}},
        ],
        "envFrom": [{"configMapRef": {"name": "settings"}}],
        "lifecycle": {"preStop": {"exec": {"command": ["sleep", "5"]}}, "postStart": {"exec": {"command": ["true"]}}},
        "livenessProbe": probe,
        "readinessProbe": {"exec": {"command": ["true"]}, "failureThreshold": 3},
        "startupProbe": {"tcpSocket": {"port": 8080}, "terminationGracePeriodSeconds": 10},
        "resources": {"requests": {"cpu": 0.5, "memory": "64Mi"}, "limits": {"cpu": 1}},
        "volumeMounts": [{"name": "tmp", "mountPath": "/tmp", "readOnly": False}],
    }
    pod = {
        "terminationGracePeriodSeconds": 60,
        "securityContext": {"fsGroup": 1000, "runAsUser": 1000},
        "volumes": [
            {"name": "tmp", "emptyDir": {"medium": "Memory", "sizeLimit": "64Mi"}},
            {"name": "all", "projected": {"sources": [{"configMap": {"name": "settings", "items": []}}]}},
            {"name": "own", "secret": {"secretName": "own", "items": [{"key": "k", "path": "k", "mode": 256}]}},
        ],
    }
    given = copy.deepcopy(DEPLOYMENT)
    given["spec"] |= {"replicas": 2, "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%"}}}
    given["spec"]["template"]["spec"] |= pod
    given["spec"]["template"]["spec"]["containers"][0] |= full
    applied = apply_manifests(given).objects[0]["spec"]["template"]["spec"]
    assert applied["volumes"] == pod["volumes"]
    assert applied["terminationGracePeriodSeconds"] == 60
    assert (applied["securityContext"]["fsGroup"], applied["securityContext"]["runAsUser"]) == (1000, 1000)
    assert {key: applied["containers"][0][key] for key in full} == full


def test_ingress_only_selects_the_public_service() -> None:
    backend = {"service": {"name": "web", "port": {"number": 80}}}
    ingress = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {"name": "web"},
        "spec": {
            "ingressClassName": "internal",
            "tls": [{"hosts": ["bank.test"], "secretName": "other"}],
            "rules": [{"host": "bank.test", "http": {"paths": [{"path": "/", "backend": backend}]}}],
        },
    }
    found = apply_manifests(DEPLOYMENT, SERVICE, ingress)
    assert [data["kind"] for data in found.objects] == ["Deployment", "Service"]
    assert found.front_service == ("web", 80)
    with pytest.raises(KubernetesError, match="isn't among the manifests"):
        apply_manifests(DEPLOYMENT, ingress)


def test_headless_service_is_reached_at_its_pods() -> None:
    """Its name resolves to the pods, so its own port doesn't exist; an ingress controller looks up the pods itself."""
    headless = {**SERVICE, "spec": {**SERVICE["spec"], "clusterIP": "None"}}
    backend = {"service": {"name": "web", "port": {"number": 80}}}
    rules = [{"http": {"paths": [{"path": "/", "backend": backend}]}}]
    about = {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": "web"}}
    given = (DEPLOYMENT, headless, {**about, "spec": {"rules": rules}})
    own = replace(SETTINGS, front="eph", front_namespace="tools", front_labels="app=eph")
    assert apply_manifests(*given).front_service == ("web", 80)
    assert apply_manifests(*given, settings=own).front_service == ("web", 8080)
    assert apply_manifests(DEPLOYMENT, SERVICE, settings=own).front_service == ("web", 80)


def test_public_service_must_be_unambiguous() -> None:
    api, worker = ({**SERVICE, "metadata": {"name": name}} for name in ("one", "two"))
    with pytest.raises(KubernetesError, match="Can't choose the public service among one, two"):
        apply_manifests(DEPLOYMENT, api, worker)
    named = {**SERVICE, "metadata": {"name": "shop"}}
    assert apply_manifests(DEPLOYMENT, api, named).front_service == ("shop", 80)


BAD_FILES = [
    ("a: &x [1]\nb: *x\n", "line 2: aliases"),
    ("kind: [", "invalid YAML"),
    ("kind: A\nkind: B\n", "duplicate key"),
    ("- 1\n", "expected a Kubernetes object"),
    ("apiVersion: v1\n", "no kind or apiVersion"),
    ("apiVersion: v1\nkind: Service\nmetadata: {}\n", "metadata.name is missing"),
    ("apiVersion: v1\nkind: Service\nmetadata: {name: 7}\n", "metadata.name is missing"),
    ("1: 2\n", "isn't text"),
    ("[" * 400_000, "line 1: nested too deeply"),
    ("".join(f"k{number}: 1\n" for number in range(8_000)), "no kind or apiVersion"),
    (f"a: {'1' * 100_000}", "invalid YAML"),
    ("a: .inf", "not finite"),
    ("a: !!set {b}", "remove its tag"),
    ("a: !!timestamp 2026-99-99", "invalid YAML"),
    ("apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec: " + "{a: " * 80 + "1" + "}" * 80, "deeply"),
    ("!!python/object/apply:os.system [id]\n", "invalid YAML"),
]


@pytest.mark.parametrize(
    ("text", "why"), BAD_FILES, ids=[f"{number} {why}" for number, (_, why) in enumerate(BAD_FILES)]
)
def test_invalid_manifest_is_rejected_by_name(text: str, why: str) -> None:
    with pytest.raises(KubernetesError, match=why) as refused:
        load_manifests(InMemoryFiles({"k8s/bad.yaml": text}), spec(), SETTINGS, PINNED)
    assert "k8s/bad.yaml" in refused.value.sentence


@pytest.mark.parametrize("path", ["../other", "/etc", "a/../../b", ".."])
def test_a_path_stays_in_the_repository(path: str) -> None:
    with pytest.raises(KubernetesError, match="is outside the repository"):
        InMemoryFiles({}).list_folder(path)
    with pytest.raises(KubernetesError, match="is outside the repository"):
        InMemoryFiles({}).read_text(path)


def test_lists_and_later_files_are_read_like_kubectl_does() -> None:
    later = with_change(DEPLOYMENT, "spec.replicas", 3)
    files = InMemoryFiles(
        {
            "base/all.yaml": yaml.safe_dump({"apiVersion": "v1", "kind": "List", "items": [DEPLOYMENT, SERVICE]}),
            "over/web.yaml": yaml.safe_dump(later),
            "over/README.md": "no manifest",
        }
    )
    asked = EnvironmentSpec.from_json({**spec().to_json(), "manifests": ["base", "over"]})
    found = load_manifests(files, asked, SETTINGS, PINNED)
    assert [(data["kind"], data["spec"].get("replicas")) for data in found.objects] == [
        ("Deployment", 3),
        ("Service", None),
    ]
