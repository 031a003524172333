"""Manifests of a repository, rendered and judged as in the target kubernetes, without a cluster."""

from __future__ import annotations

from typing import Any

from programs.targets.kubernetes.commit_files import InMemoryFiles
from programs.targets.kubernetes.errors import KubernetesError
from programs.targets.kubernetes.manifests import load_manifests
from tests.attack.arena import Arena
from tests.attack.attack import Family
from tests.targets.kubernetes import manifest_attacks as known

FAMILY = Family("manifests")
ACCEPTED = "the manifest is applied"


def apply(*objects: dict[str, Any]) -> str:
    try:
        known.apply_manifests(*objects)
    except KubernetesError:
        return ""
    return f"accepted: {objects}"


FIELDS = {f"{path} ({word})": (path, value) for path, value, word in known.ATTACKS}
KINDS = {f"{data['kind']} ({word})": data for data, word in known.FORBIDDEN_KINDS}
FILES = {f"{number}, {why}": text for number, (text, why) in enumerate(known.BAD_FILES)}


@FAMILY.each("S3", "set {}", ACCEPTED, FIELDS)
def field(_: Arena, case: tuple[str, Any]) -> str:
    path, value = case
    return apply(known.with_change(known.DEPLOYMENT, path, value))


@FAMILY.each("S3", "apply a {}", ACCEPTED, KINDS)
def kind(_: Arena, data: dict[str, Any]) -> str:
    return apply({**data, "metadata": {"name": "web"}})


@FAMILY.each("S3", "set {}", "the field is applied", {path: (path, value) for path, value in known.OMITTED_FIELDS})
def omitted_field(_: Arena, case: tuple[str, Any]) -> str:
    changed = known.apply_manifests(known.with_change(known.DEPLOYMENT, *case)).objects
    return "" if changed == known.apply_manifests(known.DEPLOYMENT).objects else str(changed)


@FAMILY.each("S3", "apply a {}", "the object is applied", {data["kind"]: data for data in known.OMITTED_KINDS})
def omitted_kind(_: Arena, data: dict[str, Any]) -> str:
    changed = known.apply_manifests(known.DEPLOYMENT, data).objects
    return "" if changed == known.apply_manifests(known.DEPLOYMENT).objects else str(changed)


@FAMILY.each(
    "S3",
    "open a service with {}",
    "the service is reachable from outside",
    {spec["type"]: spec for spec in known.OMITTED_SERVICES},
)
def omitted_service(_: Arena, spec: dict[str, Any]) -> str:
    service = known.apply_manifests(known.DEPLOYMENT, {**known.SERVICE, "spec": spec}).objects[1]
    return "" if service["spec"] == {**known.SERVICE["spec"], "type": "ClusterIP"} else str(service)


@FAMILY.each("S3", "malformed file {}", ACCEPTED, FILES)
def file(_: Arena, text: str) -> str:
    try:
        load_manifests(InMemoryFiles({"k8s/bad.yaml": text}), known.spec(), known.SETTINGS, known.PINNED)
    except KubernetesError:
        return ""
    return text[:200]


@FAMILY.each(
    "S3",
    "read {}",
    "a file outside of the repository is read",
    {path: path for path in ("../other", "/etc/passwd", "a/../../b", "..")},
)
def path_outside(_: Arena, path: str) -> str:
    try:
        return f"read {InMemoryFiles({}).read_text(path)!r}"
    except KubernetesError as error:
        return "" if "outside the repository" in error.sentence else error.sentence


@FAMILY.attack("S3", "remove security settings with null", "a security setting of Eph is gone")
def null(_: Arena) -> str:
    changed = known.apply_manifests(known.with_nulls()).objects
    return "" if changed == known.apply_manifests(known.DEPLOYMENT).objects else str(changed)


@FAMILY.attack("S3", "block drains with a PodDisruptionBudget", "the budget is applied")
def disruption_budget(_: Arena) -> str:
    loaded = known.apply_manifests(known.DEPLOYMENT, known.DISRUPTION_BUDGET).objects
    return str([data for data in loaded if data["kind"] == "PodDisruptionBudget"] or "")
