"""Which commit a label requests, and what a label may be. Rows: M1, M3, M5."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.core.model import label_deploys
from orchestrator.core.model.label_deploys import (
    DeployOrder,
    DeployRequests,
    LabelDeploy,
    Unrequested,
    UnrequestedCode,
)
from orchestrator.core.util import deploy_labels
from orchestrator.core.util.deploy_labels import InvalidLabel
from stacks import keys, names
from stacks.model import BuildInfo, OperationVerb, Outcome, RefKind, StackRecord, StackTag, StackUpdate

AT = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
END = AT + timedelta(hours=24)
OLD, NEW = "a" * 40, "b" * 40
KEY = keys.ref(1, RefKind.DEPLOY, "feat-x")
OTHER = keys.ref(1, RefKind.DEPLOY, "other")
TAG = StackTag(KEY, "acme/shop", "shop-x", "1", OLD, AT, END, ref_name="feat-x", by="ada")
BUILT = BuildInfo(OLD, "digest", "1", "local", "http://x", {}, AT)
LIVE = StackRecord(names.stack_ref(KEY, "acme/shop"), TAG, BUILT)
DEPLOY = LabelDeploy("feat-x", OLD, END, "ada")
NEWER = LabelDeploy("feat-x", NEW, END + timedelta(hours=1), "bob")
ORDER = DeployOrder("1", KEY, NEWER, AT)
FAILED = StackUpdate(OperationVerb.UP, NEW, Outcome.FAILED, AT)
CANCELLED = replace(FAILED, outcome=Outcome.CANCELLED)
RECORDED_NEW = replace(LIVE, tag=replace(TAG, commit=NEW))
NEVER_BUILT = replace(RECORDED_NEW, built=None)
NOTHING = DeployRequests()


@pytest.mark.parametrize(
    ("record", "known", "expected"),
    [
        (LIVE, NOTHING, DEPLOY),
        (None, DeployRequests(orders={KEY: ORDER}), NEWER),
        (LIVE, DeployRequests(orders={KEY: ORDER}), NEWER),
        (LIVE, DeployRequests(withdrawn={KEY: "ada destroyed it"}), UnrequestedCode.WITHDRAWN),
        (LIVE, DeployRequests(orders={OTHER: replace(ORDER, key=OTHER, evicts=KEY)}), UnrequestedCode.WITHDRAWN),
        (replace(LIVE, tag=None), NOTHING, UnrequestedCode.NOT_RECORDED),
        (replace(LIVE, tag=replace(TAG, extended_until=None)), NOTHING, UnrequestedCode.NOT_RECORDED),
        (RECORDED_NEW, NOTHING, replace(DEPLOY, commit=NEW)),
        (replace(RECORDED_NEW, history=(CANCELLED,)), NOTHING, replace(DEPLOY, commit=NEW)),
        (replace(RECORDED_NEW, history=(FAILED,)), NOTHING, DEPLOY),
        (RECORDED_NEW, DeployRequests(failed={KEY: NEW}), DEPLOY),
        (NEVER_BUILT, NOTHING, replace(DEPLOY, commit=NEW)),
        (replace(NEVER_BUILT, history=(FAILED,)), NOTHING, UnrequestedCode.FAILED),
        (NEVER_BUILT, DeployRequests(failed={KEY: NEW}), UnrequestedCode.FAILED),
        (replace(NEVER_BUILT, history=(FAILED,)), DeployRequests(orders={KEY: ORDER}), NEWER),
    ],
)
def test_what_a_label_requests(
    record: StackRecord | None, known: DeployRequests, expected: LabelDeploy | UnrequestedCode
) -> None:
    found = label_deploys.requested(KEY, record, known, "acme/shop")
    if isinstance(expected, LabelDeploy):
        assert found == expected
    else:
        assert isinstance(found, Unrequested)
        assert found.code is expected


def test_of_several_with_the_same_expiry_the_same_one_makes_room() -> None:
    deploys = [(KEY, END), (OTHER, END), (keys.ref(1, RefKind.DEPLOY, "late"), END + timedelta(hours=1))]
    assert label_deploys.nearest_to_expiry(deploys) == label_deploys.nearest_to_expiry(reversed(deploys))
    assert label_deploys.nearest_to_expiry(deploys) in (KEY, OTHER)


@given(st.text(max_size=200))
def test_a_label_normalized_twice_is_the_same(label: str) -> None:
    once = deploy_labels.normalize(label)
    assert deploy_labels.normalize(once) == once


@given(st.text(max_size=60))
def test_a_valid_label_is_a_dns_label_and_no_service_host(label: str) -> None:
    """``api--shop`` would be the additional service api of the environment shop."""
    try:
        name = deploy_labels.validate(label, "main")
    except InvalidLabel:
        return
    assert names.ENVIRONMENT_NAME.fullmatch(name)
    assert "--" not in name


@pytest.mark.parametrize(
    ("label", "expected"), [("Feature/New_Cart", "feature-new-cart"), ("--a..b--", "a-b"), ("V1.2", "v1-2")]
)
def test_a_label_is_normalized(label: str, expected: str) -> None:
    assert deploy_labels.validate(label, "main") == expected
