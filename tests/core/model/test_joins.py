"""An environment is requested, or exists, or both: the join can't hold anything else."""

from __future__ import annotations

import pytest

from orchestrator.core.model import joins
from orchestrator.core.model.joins import ExistingOnly, UnrecordedStack, WantedAndExisting, WantedOnly
from orchestrator.core.model.world import RepositoryFacts, RunningOperation
from stacks import keys, names
from stacks.model import OperationVerb, StackRecord
from tests.worlds.plan.pull_requests import START, sha
from tests.worlds.plan.simulation import Simulation

REPOSITORY = RepositoryFacts(1, "acme/shop", complete=True)
REF = names.stack_ref(keys.pull_request(1, 42), "acme/shop")
RUNNING = RunningOperation(REF, OperationVerb.UP, sha("a"), START)


def test_join_tells_wanted_from_existing() -> None:
    world = Simulation()
    world.open_pull(42, sha("a"))
    request, record = world._request(keys.pull_request(1, 42)), StackRecord(REF)
    assert joins.join(REPOSITORY, request, None, None) == WantedOnly(REPOSITORY, request)
    assert isinstance(joins.join(None, None, record, RUNNING), ExistingOnly)
    assert isinstance(joins.join(REPOSITORY, request, record, None), WantedAndExisting)


def test_running_operation_without_a_record_exists() -> None:
    joined = joins.join(None, None, None, RUNNING)
    assert joined == ExistingOnly(UnrecordedStack(RUNNING))
    assert (joined.record, joined.running, joined.request) == (None, RUNNING, None)


def test_neither_wanted_nor_existing_is_refused() -> None:
    with pytest.raises(ValueError, match="neither"):
        joins.join(REPOSITORY, None, None, None)
