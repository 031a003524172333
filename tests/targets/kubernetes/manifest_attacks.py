"""What a repository's manifests must not contain on Kubernetes; the tests and ``make attack`` try each."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from programs.spec import EnvironmentSpec, GitSource
from programs.targets.kubernetes.commit_files import InMemoryFiles
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


def load_with_images(*objects: dict[str, Any], **replaced: str) -> LoadedManifests:
    files = InMemoryFiles({"k8s/all.yaml": yaml.safe_dump_all(objects)})
    return load_manifests(files, spec(replaced_images=replaced), replace(SETTINGS, registries=""), PINNED)


def dump(*objects: dict[str, Any]) -> str:
    return yaml.safe_dump_all(objects, sort_keys=False)


def with_change(data: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """A copy with one addition at a path of keys and numbers."""
    made = copy.deepcopy(data)
    *above, last = path.split(".")
    place: Any = made
    for key in above:
        place = place[int(key)] if isinstance(place, list) else place.setdefault(key, {})
    place[last] = value
    return made


POD = "spec.template.spec"
CONTAINER = f"{POD}.containers.0"
ATTACKS: list[tuple[str, Any, str]] = [
    (f"{POD}.hostNetwork", True, "hostNetwork"),
    (f"{POD}.hostPID", True, "hostPID"),
    (f"{POD}.hostIPC", True, "hostIPC"),
    (f"{POD}.hostUsers", True, "hostUsers"),
    (f"{POD}.nodeName", "node1", "nodeName"),
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
    (f"{CONTAINER}.resources", {"limits": {"nvidia.com/gpu": 8}}, "resources.limits.nvidia.com/gpu"),
    (f"{CONTAINER}.resources", {"requests": {"hugepages-2Mi": "1Gi"}}, "resources.requests.hugepages-2Mi"),
    (f"{CONTAINER}.resources", {"limits": {"storage": "1Gi"}}, "resources.limits.storage"),
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
    ("spec.template.metadata", {"labels": {"eph.dev/public": "true"}}, "reserved for Eph"),
]

OMITTED_FIELDS: list[tuple[str, Any]] = [
    (f"{POD}.nodeSelector", {"role": "control-plane"}),
    (f"{POD}.tolerations", [{"operator": "Exists"}]),
    (f"{POD}.affinity", {}),
    (f"{POD}.priorityClassName", "system-node-critical"),
    (f"{POD}.topologySpreadConstraints", [{"maxSkew": 1}]),
    ("metadata.annotations", {"pulumi.com/skipAwait": "false"}),
    ("metadata.annotations", {"external-dns.alpha.kubernetes.io/hostname": "bank.test"}),
    (f"{POD.rpartition('.')[0]}.metadata.annotations", {"iam.amazonaws.com/role": "admin"}),
]
"""Left out with a notice: what is applied is the same as without them."""
_PORT = {"port": 80, "targetPort": "http", "nodePort": 30000}
_EXTERNAL = {"externalTrafficPolicy": "Local", "loadBalancerIP": "10.0.0.1", "loadBalancerSourceRanges": ["0.0.0.0/0"]}
OMITTED_SERVICES: list[dict[str, Any]] = [
    {**SERVICE["spec"], "type": "LoadBalancer", **_EXTERNAL},
    {**SERVICE["spec"], "type": "NodePort", "ports": [_PORT]},
]
"""Become ClusterIP, without a way in from outside."""
OMITTED_KINDS: list[dict[str, Any]] = [
    {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "web", "annotations": {"a.test/b": "c"}}},
    {"apiVersion": "monitoring.coreos.com/v1", "kind": "ServiceMonitor", "metadata": {"name": "web"}},
    {"apiVersion": "autoscaling/v1", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "web"}},
    {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "migrate", "annotations": {"helm.sh/hook": "pre-upgrade"}},
        "spec": {"template": {"spec": {"hostNetwork": True}}},
    },
]

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


DISRUPTION_BUDGET: dict[str, Any] = {
    "apiVersion": "policy/v1",
    "kind": "PodDisruptionBudget",
    "metadata": {"name": "web"},
    "spec": {"minAvailable": "100%", "selector": {"matchLabels": {"app": "web"}}},
}

LAUGHS = "\n".join(f"l{n}: &l{n} [{', '.join([f'*l{n - 1}' if n else 'ha'] * 10)}]" for n in range(9))
BAD_FILES = [
    (LAUGHS, "line 5: an alias repeats too much"),
    ("a: &x [*x]\n", "line 1: an alias repeats too much or itself"),
    ("a: *unknown\n", "line 1: an alias repeats"),
    (f"a: &x {'x' * 1000}\nb: [{', '.join(['*x'] * 200)}]\n", "line 2: an alias repeats too much"),
    (f"a: &x {'[' * 40}{']' * 40}\nb: {'[' * 30}*x{']' * 30}\n", "line 2: nested too deeply"),
    (f"a: &x {{k: {'x' * 1000}}}\nb: {{<<: [{', '.join(['*x'] * 200)}]}}\n", "line 2: an alias repeats too much"),
    ("a: &x {k: 1}\nb: {<<: *x, k: 2, k: 3}\n", "duplicate key"),
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


def with_nulls() -> dict[str, Any]:
    """A deployment that tries to delete security settings."""
    attack = with_change(DEPLOYMENT, f"{POD}.securityContext", {"runAsNonRoot": None, "seccompProfile": None})
    attack = with_change(
        attack, f"{CONTAINER}.securityContext", {"allowPrivilegeEscalation": None, "capabilities": None}
    )
    return with_change(attack, "metadata.creationTimestamp", None)
