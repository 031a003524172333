"""The images of eph.yaml in a repository's manifests: each workload runs the one that is meant (I1, T2)."""

from __future__ import annotations

import re
from typing import Any

import pytest

from programs.spec import CommandSpec, DatabaseSpec, LifecycleHooks
from programs.targets.kubernetes.commit_files import InMemoryFiles
from programs.targets.kubernetes.errors import CommitRejected, KubernetesError
from programs.targets.kubernetes.manifests import LoadedManifests, load_manifests
from tests.targets.kubernetes.manifest_attacks import (
    CONTAINER,
    DEPLOYMENT,
    PINNED,
    POD,
    SERVICE,
    SETTINGS,
    apply_manifests,
    dump,
    load_with_images,
    spec,
    with_change,
)


def test_images_are_pinned_by_name_or_repository_and_others_must_be_allowed() -> None:
    by_repository = with_change(DEPLOYMENT, "spec.template.spec.containers.0.image", "registry.test/acme/shop:latest")
    assert (
        apply_manifests(by_repository).objects[0]["spec"]["template"]["spec"]["containers"][0]["image"] == PINNED["api"]
    )
    cache = with_change(with_change(DEPLOYMENT, "metadata.name", "cache"), f"{CONTAINER}.image", "redis:7")
    assert image_of(apply_manifests(DEPLOYMENT, cache), 1) == "redis:7"


def image_of(loaded: LoadedManifests, index: int = 0) -> str:
    return str(loaded.objects[index]["spec"]["template"]["spec"]["containers"][0]["image"])


def test_image_of_a_refused_workload_counts_as_running() -> None:
    """I1: removing `hostPID` makes it run, so the list doesn't name the image, too."""
    with pytest.raises(CommitRejected) as raised:
        load_with_images(with_change(DEPLOYMENT, f"{POD}.hostPID", True), SERVICE)
    assert "hostPID" in raised.value.sentence
    assert not raised.value.tail


TWO = {**PINNED, "migrations": "registry.test/acme/migrations@sha256:" + "b" * 64}
MIGRATE = CommandSpec("migrate")


@pytest.mark.parametrize(
    "more",
    [
        {"databases": (DatabaseSpec("main", migrate=MIGRATE),)},
        {"databases": (DatabaseSpec("main", strategy="seed", seed=MIGRATE),)},
        {"hooks": LifecycleHooks(post_create=(MIGRATE,))},
    ],
)
def test_image_that_only_commands_run_in_is_used(more: dict[str, Any]) -> None:
    """I1, T2: they run in the first listed image. Without commands, or in another place, nothing runs it."""
    files = InMemoryFiles({"k8s/all.yaml": dump(DEPLOYMENT, SERVICE)})
    first = {"migrations": TWO["migrations"], **PINNED}
    assert load_manifests(files, spec(**more), SETTINGS, first).objects
    for given, images in ((spec(), first), (spec(**more), TWO)):
        with pytest.raises(KubernetesError, match="no workload runs migrations"):
            load_manifests(files, given, SETTINGS, images)


def test_image_of_services_that_are_off_need_not_run() -> None:
    """Y5, I1: a label turned off the only service that names it. Manifests that use it get it all the same."""
    extra = {**PINNED, "extra": "registry.test/acme/extra@sha256:" + "b" * 64}
    given = spec(optional_images=("extra",))
    files = InMemoryFiles({"k8s/all.yaml": dump(DEPLOYMENT, SERVICE)})
    assert load_manifests(files, given, SETTINGS, extra).objects
    named = with_change(DEPLOYMENT, f"{CONTAINER}.image", "registry.test/acme/extra:1.4")
    files = InMemoryFiles({"k8s/all.yaml": dump(named, with_change(DEPLOYMENT, "metadata.name", "api"), SERVICE)})
    assert image_of(load_manifests(files, given, SETTINGS, extra)) == extra["extra"]


ONE_REPOSITORY = {name: f"registry.test/acme/shop@sha256:{mark * 64}" for name, mark in (("web", "a"), ("worker", "b"))}


def load_two_of_one_repository(web: str, worker: str, replaced: dict[str, str] | None = None) -> LoadedManifests:
    objects = [
        with_change(with_change(DEPLOYMENT, "metadata.name", name), f"{CONTAINER}.image", image)
        for name, image in (("web", web), ("worker", worker))
    ]
    files = InMemoryFiles({"k8s/all.yaml": dump(*objects, SERVICE)})
    return load_manifests(files, spec(replaced_images=replaced or {}), SETTINGS, ONE_REPOSITORY)


def test_images_of_one_repository_are_told_apart_by_name_or_tag() -> None:
    """I1, T2: the first one for both would be the wrong code, in green."""
    shop = "registry.test/acme/shop"
    tags = {"web": f"{shop}:web", "worker": f"{shop}:worker"}
    for found in (
        load_two_of_one_repository("web", "worker"),
        load_two_of_one_repository(f"{shop}:web", f"{shop}:worker", tags),
        load_two_of_one_repository("ghcr.io/x:web", "ghcr.io/x:9", {"web": "ghcr.io/x:web", "worker": "ghcr.io/x"}),
    ):
        assert [image_of(found, 0), image_of(found, 1)] == list(ONE_REPOSITORY.values())
    with pytest.raises(KubernetesError, match="several images of this repository: web, worker") as raised:
        load_two_of_one_repository(f"{shop}:web", "worker")
    assert re.match(r"k8s/all.yaml:\d+: Deployment web: image registry.test/acme/shop:web", raised.value.sentence)


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
