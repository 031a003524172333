"""Random manifests are refused in words, or applied with every security setting (S3, T2)."""

from __future__ import annotations

import contextlib
import copy
from typing import Any

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from programs.targets.kubernetes.api import object_names
from programs.targets.kubernetes.commit_files import InMemoryFiles
from programs.targets.kubernetes.errors import KubernetesError
from programs.targets.kubernetes.manifests import load_manifests
from tests.targets.kubernetes.manifest_attacks import ATTACKS, DEPLOYMENT, PINNED, SERVICE, SETTINGS, spec, with_change

NAMES = sorted({part for path, _, _ in ATTACKS for part in path.split(".")} | {"privileged", "hostPath", "add", "host"})
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 10**12) | st.sampled_from(["", "web", "/", "eph-pull", "Unconfined"]),
    lambda below: st.lists(below, max_size=2) | st.dictionaries(st.sampled_from(NAMES), below, max_size=3),
    max_leaves=8,
)
FORBIDDEN = {
    "hostNetwork",
    "hostPID",
    "hostIPC",
    "nodeName",
    "hostPath",
    "privileged",
    "hostPort",
    "finalizers",
    "host",
}
FREE_NAMES = ("annotations", "labels", "matchLabels")


@st.composite
def deployments(draw: st.DrawFn) -> dict[str, Any]:
    """A good deployment with some random changes, anywhere in it."""
    made = copy.deepcopy(DEPLOYMENT)
    for _ in range(draw(st.integers(1, 4))):
        place: Any = made
        for _ in range(draw(st.integers(0, 7))):
            below = list(place.values()) if isinstance(place, dict) else place
            below = [item for item in below if isinstance(item, dict | list) and item]
            if not below:
                break
            place = draw(st.sampled_from(below))
        if isinstance(place, dict):
            place[draw(st.sampled_from(NAMES))] = draw(VALUES)
        else:
            place.append(draw(VALUES))
    return made


def keys_in(data: Any) -> set[str]:
    """The names of fields. Those of labels and annotations are the author's own, and mean nothing to Kubernetes."""
    if isinstance(data, dict):
        return set(data) | {key for name, value in data.items() if name not in FREE_NAMES for key in keys_in(value)}
    return {key for item in data for key in keys_in(item)} if isinstance(data, list) else set()


@given(deployments())
@example(with_change(DEPLOYMENT, "metadata.labels.finalizers", ""))
@pytest.mark.long
def test_a_changed_deployment_is_refused_or_hardened(data: dict[str, Any]) -> None:
    files = InMemoryFiles({"k8s/all.yaml": yaml.safe_dump_all([data, SERVICE])})
    try:
        loaded = load_manifests(files, spec(), SETTINGS, PINNED)
    except KubernetesError:
        return
    [applied] = [item for item in loaded.objects if item["kind"] == "Deployment"]
    pod = applied["spec"]["template"]["spec"]
    assert FORBIDDEN & keys_in(applied) == set()
    assert pod["serviceAccountName"] == object_names.ACCOUNT
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    for container in [*pod["containers"], *pod.get("initContainers", [])]:
        assert container["securityContext"]["allowPrivilegeEscalation"] is False
        assert container["securityContext"]["capabilities"]["drop"] == ["ALL"]


@given(st.text(max_size=200) | st.text("{}[]:,&*!|>-#'\"?%@ \n\tkind", max_size=60))
@example("%YAML 1.3\n---\n{}")
@example("? {a: b}\n: c")
def test_any_text_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(KubernetesError):
        load_manifests(InMemoryFiles({"k8s/bad.yaml": text}), spec(), SETTINGS, PINNED)
