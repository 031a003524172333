"""Label deploys that were ordered and aren't recorded in their stack's tag yet, and how recent ones ended."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TypeVar

from orchestrator.core.model.label_deploys import DeployOrder, DeployRequests, LabelDeploy
from orchestrator.core.model.world import RecipeError
from orchestrator.runtime import wording
from orchestrator.runtime.facts.remembered_fact import CurrentRecords, RecalledFacts
from stacks import keys, names
from stacks.model import Key, OperationResult, OperationVerb, Outcome, RefKind, StackRecord

T = TypeVar("T")
RESULT_TTL = timedelta(hours=1)


class DeployState(StrEnum):
    PENDING = "pending"
    DEPLOYED = "deployed"
    """Built and recorded."""
    FAILED = "failed"
    REPLACED = "replaced"


@dataclass(frozen=True, slots=True)
class DeployProgress:
    """How an order went. ``error`` is a sentence for people. ``at`` is when it ended, or when it was ordered."""

    order: DeployOrder
    state: DeployState
    at: datetime
    error: str = ""
    output: tuple[str, ...] = ()
    """The last lines of a failed operation: nothing else may be left of it."""


class PendingDeploys:
    """At most one order for each label: a newer one replaces it. Called from the loop's thread, except ``requests``."""

    def __init__(self) -> None:
        self._requests = DeployRequests()
        self._progress: dict[str, DeployProgress] = {}
        self._withdrawn_at: dict[Key, datetime] = {}

    def requests(self) -> DeployRequests:
        """A value that doesn't change any more: sources read it in their own threads."""
        return self._requests

    def progress(self, order: str) -> DeployProgress | None:
        return self._progress.get(order)

    def add(
        self, key: Key, deploy: LabelDeploy, at: datetime, evicts: Key | None = None, owner: str = ""
    ) -> DeployOrder:
        before = self._requests.orders.get(key)
        if before is not None:
            self._end(before, DeployState.REPLACED, at, wording.problems.DEPLOY_REPLACED)
        order = DeployOrder(uuid.uuid4().hex, key, deploy, at, evicts, owner)
        self._progress[order.id] = DeployProgress(order, DeployState.PENDING, at)
        self._requests = replace(
            self._requests,
            orders={**self._requests.orders, key: order},
            failed=_without(self._requests.failed, key),
            withdrawn=_without(self._requests.withdrawn, key),
        )
        return order

    def withdraw(self, key: Key, reason: str, at: datetime) -> None:
        """Someone destroys the deploy. Its tag requests it until its stack is gone."""
        order = self._requests.orders.get(key)
        if order is not None:
            self._end(order, DeployState.FAILED, at, reason)
        self._requests = replace(self._requests, withdrawn={**self._requests.withdrawn, key: reason})
        self._withdrawn_at[key] = at

    def record_result(self, result: OperationResult) -> bool:
        """Whether the result changes what is requested."""
        key = names.parse(result.ref)
        if key is None or key.kind is not RefKind.DEPLOY or result.outcome is not Outcome.FAILED:
            return False
        before = self._requests
        if result.verb is OperationVerb.UP:
            self._requests = replace(before, failed={**before.failed, key: result.commit})
        for order in before.orders.values():
            if _is_about(order, key, result):
                self._end(order, DeployState.FAILED, result.ended, _failure(order, key, result), result.tail)
        return self._requests is not before

    def forget(self, current: CurrentRecords) -> None:
        records = {key: record for ref, record in current.stacks.stacks.items() if (key := names.parse(ref))}
        for order in list(self._requests.orders.values()):
            self._finish(order, records.get(order.key), current)
        # A creation that was interrupted may still be recorded later, so its stack must not request it again.
        old = [key for key, at in self._withdrawn_at.items() if key not in records and current.now - at >= RESULT_TTL]
        gone = old if current.stacks.complete else []
        self._withdrawn_at = _without(self._withdrawn_at, *gone)
        failed = {
            key: commit
            for key, commit in self._requests.failed.items()
            if not current.stacks.complete
            or ((record := records.get(key)) and record.tag and record.tag.commit == commit)
        }
        self._requests = replace(self._requests, failed=failed, withdrawn=_without(self._requests.withdrawn, *gone))
        self._progress = {
            name: each
            for name, each in self._progress.items()
            if each.state is DeployState.PENDING or current.now - each.at < RESULT_TTL
        }

    def start_term(self, _: RecalledFacts, /) -> None:
        self._requests, self._progress, self._withdrawn_at = DeployRequests(), {}, {}

    def _finish(self, order: DeployOrder, record: StackRecord | None, current: CurrentRecords) -> None:
        facts = current.repositories.get(order.key.repository)
        request = facts.requests.get(order.key) if facts else None
        recipe = request.recipe if request is not None and request.commit == order.deploy.commit else None
        if order.deploy.expires_at <= current.now:
            self._end(order, DeployState.FAILED, current.now, wording.problems.DEPLOY_EXPIRED)
        elif record is not None and _is_recorded(record, order):
            self._end(order, DeployState.DEPLOYED, current.now, "")
        elif isinstance(recipe, RecipeError) and not recipe.transient:
            self._end(order, DeployState.FAILED, current.now, "; ".join(recipe.problems))

    def _end(
        self, order: DeployOrder, state: DeployState, at: datetime, error: str, output: tuple[str, ...] = ()
    ) -> None:
        self._progress[order.id] = DeployProgress(order, state, at, error, output)
        self._requests = replace(self._requests, orders=_without(self._requests.orders, order.key))


def _is_about(order: DeployOrder, key: Key, result: OperationResult) -> bool:
    if result.verb is OperationVerb.DESTROY:
        return order.evicts == key
    builds = result.verb is OperationVerb.UP and result.commit == order.deploy.commit
    return order.key == key and (builds or result.verb is OperationVerb.RETAG)


def _failure(order: DeployOrder, key: Key, result: OperationResult) -> str:
    detail = f"{result.step}: {result.error}".strip(": ")
    if order.evicts == key:
        return wording.problems.no_room(keys.stack_name(key), detail)
    if result.verb is OperationVerb.RETAG:
        return wording.problems.deploy_not_recorded(detail)
    return detail


def _is_recorded(record: StackRecord, order: DeployOrder) -> bool:
    tag, built = record.tag, record.built
    return (
        tag is not None
        and built is not None
        and (tag.commit, tag.extended_until) == (order.deploy.commit, order.deploy.expires_at)
        and built.commit == order.deploy.commit
    )


def _without(facts: Mapping[Key, T], *keys_to_drop: Key) -> dict[Key, T]:
    return {key: fact for key, fact in facts.items() if key not in keys_to_drop}
