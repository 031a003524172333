"""What a repository's manifests may contain on Kubernetes, and what they become: a list of attacks (S3, T2).

Everything here is pure: files in memory in, objects or one sentence out.
"""

from __future__ import annotations

import copy
import re
from dataclasses import replace
from typing import Any

import pytest
import yaml

from programs.spec import DatabaseSpec, EnvironmentSpec, ServiceSpec
from programs.targets.kubernetes.api import object_names
from programs.targets.kubernetes.commit_files import InMemoryFiles
from programs.targets.kubernetes.errors import CommitRejected, KubernetesError
from programs.targets.kubernetes.manifests import load_manifests
from programs.targets.kubernetes.settings import KubernetesSettings
from tests.targets.kubernetes.manifest_attacks import (
    ATTACKS,
    BAD_FILES,
    CONTAINER,
    DEPLOYMENT,
    DISRUPTION_BUDGET,
    FORBIDDEN_KINDS,
    OMITTED_FIELDS,
    OMITTED_KINDS,
    OMITTED_SERVICES,
    PINNED,
    POD,
    SERVICE,
    SETTINGS,
    apply_manifests,
    dump,
    load_with_images,
    spec,
    with_change,
    with_nulls,
)


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
    assert (found.backends, found.public_ports) == ({"web": ("web", 80)}, (8080,))


def test_all_refusals_are_reported_at_once() -> None:
    """Y2, P3: each with its file and object; otherwise every push would reveal one more."""
    first = with_change(with_change(DEPLOYMENT, f"{POD}.hostNetwork", True), f"{POD}.hostPID", True)
    role = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "reader"}}
    with pytest.raises(KubernetesError) as raised:
        load_with_images(first, SERVICE, role)
    assert "(3 problems)" in raised.value.sentence
    expected = [("Deployment web", "hostNetwork"), ("Deployment web", "hostPID"), ("Role reader", "isn't allowed")]
    for line, parts in zip(raised.value.tail, expected, strict=True):
        assert all(part in line for part in ("k8s/all.yaml", *parts))


def refusals(files: dict[str, str], given: EnvironmentSpec, settings: KubernetesSettings = SETTINGS) -> list[str]:
    """The sentences of a rejection, each without its reason's words."""
    with pytest.raises(CommitRejected) as raised:
        load_manifests(InMemoryFiles(files), given, settings, PINNED)
    assert raised.value.permanent
    return list(raised.value.tail)


def test_refusals_of_every_check_are_reported_at_once() -> None:
    """T2, Y1, Y2: fields, images, storage, names and the public service are different checks. Otherwise, a chart with
    three foreign images would take three pushes."""
    foreign = [{"name": name, "image": f"ghcr.io/acme/{name}"} for name in ("a", "b")]
    second = with_change(with_change(DEPLOYMENT, "metadata.name", "two"), f"{POD}.containers", foreign)
    claim = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "data"}, "spec": {}}
    files = {
        "k8s/1.yaml": dump(with_change(DEPLOYMENT, f"{POD}.hostPID", True)),
        "k8s/2.yaml": dump(second, claim),
        "k8s/3.yaml": dump(with_change(second, "metadata.name", "three"), SERVICE),
    }
    clash = ServiceSpec("three", "", image="api", public=False)
    given = replace(spec(options={"public": ["nothing"]}), services=(clash,))
    found = refusals(files, given)
    expected = [
        r"k8s/1.yaml:\d+: Deployment web: spec.template.spec.hostPID",
        r"k8s/3.yaml:\d+: Deployment three: eph.yaml has a service",
        r"eph.yaml, kubernetes.public",
        r"k8s/2.yaml:\d+: Deployment two: image ghcr.io/acme/a",
        r"k8s/2.yaml:\d+: Deployment two: image ghcr.io/acme/b",
        r"k8s/2.yaml:\d+: PersistentVolumeClaim data",
        r"k8s/3.yaml:\d+: Deployment three: image ghcr.io/acme/a",
        r"k8s/3.yaml:\d+: Deployment three: image ghcr.io/acme/b",
    ]
    assert len(found) == len(expected)
    for line, pattern in zip(found, expected, strict=True):
        assert re.match(pattern, line), line


def test_files_that_cannot_be_read_do_not_hide_what_is_wrong_with_others() -> None:
    """Y1: but what depends on all files isn't checked, because it would complain about those that are missing."""
    files = {
        "k8s/a.yaml": "kind: [",
        "k8s/b.yaml": "apiVersion: v1\nkind: Service\nmetadata: {}\n---\napiVersion: v1\n",
        "more.yaml": dump(with_change(DEPLOYMENT, f"{CONTAINER}.image", "ghcr.io/acme/shop")),
    }
    given = replace(spec(), manifests=("k8s", "more.yaml", "missing.yaml"))
    assert [line.partition(":")[0].partition(",")[0] for line in refusals(files, given)] == [
        "k8s/a.yaml",
        "k8s/b.yaml",
        "k8s/b.yaml",
        "missing.yaml doesn't exist at this commit",
        "more.yaml",
    ]


def test_refused_manifests_wait_for_a_push() -> None:
    """L5: the same commit would be refused again. A renderer that is missing on the server is different."""
    with pytest.raises(KubernetesError) as raised:
        apply_manifests(with_change(DEPLOYMENT, f"{POD}.hostNetwork", True))
    assert raised.value.permanent
    chart = InMemoryFiles({"k8s/Chart.yaml": "name: x"})
    with pytest.raises(KubernetesError) as raised:
        load_manifests(chart, spec(), replace(SETTINGS, helm="/nonexistent/helm"), PINNED)
    assert not raised.value.permanent


def test_overridden_variables_of_a_workload_are_a_notice() -> None:
    """Y2: with file and object. A variable of the same value, and one that only the manifest has, aren't."""
    env = [
        {"name": "DATABASE_URL", "value": "postgres://production"},
        {"name": "WEB_PUBLIC_URL", "value": "https://shop.example"},
        {"name": "MODE", "value": "production"},
        {"name": "SAME", "value": "1"},
        {"name": "OWN", "value": "1"},
    ]
    given = spec(databases=(DatabaseSpec("main"),), env={"MODE": "preview", "SAME": "1"})
    data = with_change(DEPLOYMENT, f"{CONTAINER}.env", env)
    found = load_manifests(InMemoryFiles({"k8s/all.yaml": dump(data, SERVICE)}), given, SETTINGS, PINNED)
    (notice,) = found.notices
    assert re.match(r"k8s/all.yaml:\d+: Deployment web: .*: DATABASE_URL, WEB_PUBLIC_URL, MODE$", notice)


def test_anchors_are_written_out() -> None:
    """T2: common in manifests and values files. Merged keys, too, which the object's own override."""
    text = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: &labels {app: web}}
spec:
  selector: {matchLabels: *labels}
  template:
    metadata: {labels: *labels}
    spec:
      initContainers: [{<<: &all {image: api, env: [{name: A, value: "1"}]}, name: first}]
      containers: [{<<: *all, name: web, env: []}]
"""
    found = load_manifests(InMemoryFiles({"k8s/all.yaml": text}), spec(), SETTINGS, PINNED).objects[0]
    pod = found["spec"]["template"]["spec"]
    assert (pod["containers"][0]["env"], len(pod["initContainers"][0]["env"])) == ([], 1)
    assert pod["containers"][0]["image"] == pod["initContainers"][0]["image"] == PINNED["api"]
    assert found["spec"]["selector"] == {"matchLabels": {"app": "web"}}


@pytest.mark.parametrize(("path", "value", "word"), ATTACKS, ids=[f"{path} {word}" for path, _, word in ATTACKS])
def test_escapes_are_rejected_by_file_and_object(path: str, value: Any, word: str) -> None:
    with pytest.raises(KubernetesError) as refused:
        apply_manifests(with_change(DEPLOYMENT, path, value))
    sentence = refused.value.sentence
    assert re.match(r"k8s/all.yaml:\d+: Deployment ", sentence)
    assert word in sentence


@pytest.mark.parametrize(
    ("data", "word"), FORBIDDEN_KINDS, ids=[f"{data['kind']} {word}" for data, word in FORBIDDEN_KINDS]
)
def test_kinds_and_fields_beyond_the_namespace_are_rejected(data: dict[str, Any], word: str) -> None:
    named = {**data, "metadata": {"name": "web"}}
    with pytest.raises(KubernetesError, match=word.replace("no storage", "storage_class is empty")) as refused:
        apply_manifests(named)
    assert re.match(rf"k8s/all.yaml:\d+: {data['kind']} web: ", refused.value.sentence)


@pytest.mark.parametrize(("path", "value"), OMITTED_FIELDS, ids=[path for path, _ in OMITTED_FIELDS])
def test_harmless_fields_are_left_out_with_a_notice(path: str, value: Any) -> None:
    """T2: nothing of them reaches the cluster (S3), and the author reads what is missing."""
    changed = apply_manifests(with_change(DEPLOYMENT, path, value))
    assert changed.objects == apply_manifests(DEPLOYMENT).objects
    (notice,) = changed.notices
    assert re.match(r"k8s/all.yaml:\d+: Deployment web: ", notice)


@pytest.mark.parametrize("data", OMITTED_KINDS, ids=[data["kind"] for data in OMITTED_KINDS])
def test_kinds_without_effect_are_left_out_with_a_notice(data: dict[str, Any]) -> None:
    """T2: chart hooks among them, whose notice names what to use instead."""
    changed = apply_manifests(DEPLOYMENT, data)
    assert changed.objects == apply_manifests(DEPLOYMENT).objects
    (notice,) = changed.notices
    assert re.match(rf"k8s/all.yaml:\d+: {data['kind']} ", notice)
    assert ("`migrate`" in notice) is (data["kind"] == "Job")


@pytest.mark.parametrize("service", OMITTED_SERVICES, ids=[service["type"] for service in OMITTED_SERVICES])
def test_external_services_become_internal(service: dict[str, Any]) -> None:
    found = apply_manifests(DEPLOYMENT, {**SERVICE, "spec": service})
    assert found.objects[1]["spec"] == {**SERVICE["spec"], "type": "ClusterIP"}
    assert len(found.notices) == 1


@pytest.mark.parametrize(
    ("kind", "more"),
    [("NodePort", {"externalIPs": ["10.0.0.1"]}), ("LoadBalancer", {"clusterIP": "10.96.0.10"})],
)
def test_what_stays_dangerous_stays_refused(kind: str, more: dict[str, Any]) -> None:
    """S3"""
    with pytest.raises(KubernetesError, match=next(iter(more))):
        apply_manifests(DEPLOYMENT, {**SERVICE, "spec": {**SERVICE["spec"], "type": kind, **more}})


def test_refusals_name_the_line_of_the_field() -> None:
    """Y1, L5: all at once, with file, line and object."""
    text = """\
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  selector: {app: web}
  externalName: x
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
spec:
  template:
    spec:
      hostPID: true
      containers: [{name: web, image: api}]
      volumes:
        - name: a
          emptyDir: {}
        - name: b
          hostPath: {path: /}
"""
    with pytest.raises(KubernetesError) as raised:
        load_manifests(InMemoryFiles({"k8s/all.yaml": text}), spec(), SETTINGS, PINNED)
    lines = [line.partition(": ")[0] for line in raised.value.tail]
    assert lines == ["k8s/all.yaml:6", "k8s/all.yaml:15", "k8s/all.yaml:21"]


def test_null_removes_no_security_setting_of_ours() -> None:
    """S3: to Kubernetes, null deletes a field. `kubectl create --dry-run` writes it, so it isn't rejected."""
    assert apply_manifests(with_nulls()).objects == apply_manifests(DEPLOYMENT).objects


def test_disruption_budget_is_accepted_but_blocks_no_drain() -> None:
    """S3: with one replica, every budget that isn't empty would keep a node from being drained."""
    assert apply_manifests(DEPLOYMENT, DISRUPTION_BUDGET).objects == apply_manifests(DEPLOYMENT).objects


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
