"""Label deploys (M1–M6): a person deploys a commit under a label, without a pull request.

The stack's own tag is the only home of that request: label, commit, expiry, and who. An order exists in memory until
the tag contains it. If an order is lost or fails, the tag still says what was live before; without a tag, nothing is
requested, and what was half-created is destroyed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from orchestrator.core import wording
from orchestrator.core.util import formatting
from stacks.model import Key, OperationVerb, Outcome, StackRecord


@dataclass(frozen=True, slots=True)
class LabelDeploy:
    """``expires_at`` has whole seconds, as in the tag."""

    label: str
    commit: str
    expires_at: datetime
    by: str


@dataclass(frozen=True, slots=True)
class DeployOrder:
    """A requested deploy. ``evicts`` is the deploy of the same app that makes room for it. ``owner``: who requested it,
    which the deploy itself may only contain shortened."""

    id: str
    key: Key
    deploy: LabelDeploy
    at: datetime
    evicts: Key | None = None
    owner: str = ""


@dataclass(frozen=True, slots=True)
class DeployRequests:
    """What the running process knows about label deploys besides their tags.

    ``failed``: the commit whose build failed, by key. ``withdrawn``: why a deploy is no longer wanted.
    """

    orders: Mapping[Key, DeployOrder] = field(default_factory=dict)
    failed: Mapping[Key, str] = field(default_factory=dict)
    withdrawn: Mapping[Key, str] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return any((self.orders, self.failed, self.withdrawn))

    def unwanted_reason(self, key: Key, label: str) -> str:
        """Why that deploy is destroyed; empty if it isn't."""
        if key in self.withdrawn:
            return self.withdrawn[key]
        evicting = next((order for order in self.orders.values() if order.evicts == key), None)
        return wording.desired.made_room(label, evicting.deploy.label) if evicting else ""


class UnrequestedCode(StrEnum):
    WITHDRAWN = "withdrawn"
    """By a person, or to make room."""
    NOT_RECORDED = "not-recorded"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Unrequested:
    code: UnrequestedCode
    reason: str


def requested(
    key: Key, record: StackRecord | None, requests: DeployRequests, repository_name: str
) -> LabelDeploy | Unrequested:
    """What is deployed under one label: the pending order, otherwise what the stack's tag says.

    A commit that failed to build isn't tried again: the deploy that was live stays, or nothing is left.
    """
    order, tag = requests.orders.get(key), record.tag if record else None
    label = order.deploy.label if order else tag.ref_name if tag else ""
    unwanted = requests.unwanted_reason(key, label)
    if unwanted:
        return Unrequested(UnrequestedCode.WITHDRAWN, unwanted)
    if order is not None:
        return order.deploy
    if record is None or tag is None or tag.extended_until is None:
        reason = wording.desired.deploy_not_recorded(formatting.reference(repository_name, key, label))
        return Unrequested(UnrequestedCode.NOT_RECORDED, reason)
    live = record.built.commit if record.built else ""
    if live != tag.commit and (requests.failed.get(key) == tag.commit or _failed_to_build(record, tag.commit)):
        if not live:
            return Unrequested(UnrequestedCode.FAILED, wording.desired.deploy_failed(label, tag.commit))
        return LabelDeploy(label, live, tag.extended_until, tag.by)
    return LabelDeploy(label, tag.commit, tag.extended_until, tag.by)


def _failed_to_build(record: StackRecord, commit: str) -> bool:
    return any(
        entry.verb is OperationVerb.UP and entry.commit == commit and entry.outcome is Outcome.FAILED
        for entry in record.history
    )


def nearest_to_expiry(deploys: Iterable[tuple[Key, datetime]]) -> Key:
    """The one that makes room. Of several with the same expiry, the same one each time."""
    return min(deploys, key=lambda each: (each[1], each[0].id))[0]
