"""The versions of an app, from environments and the histories of their stacks (M6)."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from orchestrator.core.views.environment_views import EarlierBuild, EnvironmentView, ImageView
from orchestrator.core.views.phases import Phase
from orchestrator.core.views.versions import VersionKind, list_versions
from stacks import keys
from stacks.model import Key, RefKind, StackRef

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)


def view(key: Key, label: str, commit: str, **changes: Any) -> EnvironmentView:
    host = f"{label}.shop.localhost" if key.kind is RefKind.DEPLOY else "shop.localhost"
    ref = StackRef("eph-shop-1", f"{key.kind}-{label}")
    made = EnvironmentView(ref, key, "acme/shop", label, host, Phase.READY, ("it is live",), ref_name=label)
    return replace(made, app="shop.localhost", commit=commit * 40, built_at=NOW, **changes)


ACTIVE = view(keys.ref(1, RefKind.BRANCH, "main"), "main", "a")
LABEL = view(
    keys.ref(1, RefKind.DEPLOY, "feat-x"),
    "feat-x",
    "b",
    author="bob",
    expires_at=NOW + timedelta(hours=2),
    earlier_builds=tuple(EarlierBuild(f"{each:x}" * 40, NOW - timedelta(hours=each)) for each in range(1, 15)),
)


def test_active_comes_first_then_labels_then_what_they_replaced() -> None:
    found = list_versions([LABEL, ACTIVE])
    assert [(each.kind, each.commit[:1], each.label) for each in found[:3]] == [
        (VersionKind.ACTIVE, "a", ""),
        (VersionKind.EPHEMERAL, "b", "feat-x"),
        (VersionKind.REPLACED, "1", "feat-x"),
    ]
    assert (found[1].by, found[1].expires_at) == ("bob", NOW + timedelta(hours=2))
    assert len(found) == 12, "only the ten newest of one environment"


def test_other_branches_and_pull_requests_are_no_versions_of_the_app() -> None:
    others = [replace(ACTIVE, host="shop-x.localhost"), replace(LABEL, key=keys.pull_request(1, 42))]
    assert list_versions([*others, replace(LABEL, commit="", earlier_builds=())]) == []


def test_only_those_of_one_repository() -> None:
    assert list_versions([ACTIVE], "ACME/shop")
    assert list_versions([ACTIVE], "acme/pay") == []


def test_a_version_names_the_images_that_its_commit_runs() -> None:
    """Of a newer commit, images may already be found; what runs is what was built."""
    images = {"web": "registry.example.com/shop@sha256:" + "1" * 64}
    found = list_versions([replace(LABEL, built_images=images, images={"web": ImageView("other", "tag")})])
    assert found[0].images == images
    assert {each.kind for each in found if not each.images} == {VersionKind.REPLACED}
