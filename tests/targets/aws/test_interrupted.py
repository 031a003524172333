"""``kill -9`` of the engine, its plugin and the worker in the middle of an operation on AWS. L2, L7, L8, C2.

A moment is a number of requests that change something, so each moment hits another resource, before AWS carried the
request out or after that.
"""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from programs.targets.aws.target import TARGET
from stacks.model import Outcome
from tests.targets.aws import account_contents
from tests.targets.aws.aws_account import AwsAccount, running_account
from tests.targets.aws.aws_operations import AwsOperations, running_operations
from tests.targets.aws.aws_stack import uses_official_plugin
from tests.targets.aws.recorded_program import WEB, aws_spec
from tests.targets.aws.test_program_shape import WORKER
from tests.targets.aws.test_whole_story import FULL

pytestmark = [
    pytest.mark.real,
    pytest.mark.long,
    pytest.mark.exhaustive,
    pytest.mark.timeout(3600),
    pytest.mark.skipif(uses_official_plugin(), reason="the official plugin waits for tasks, and moto runs none"),
]
CHANGES_OF_AN_UP, CHANGES_OF_A_DESTROY = 50, 35
"""At least so many requests change something."""
RUNS = 30


@pytest.fixture
async def operations(tmp_path: Path) -> AsyncIterator[AwsOperations]:
    with pytest.MonkeyPatch.context() as patch, running_account(patch) as account:
        async with running_operations(tmp_path, account, patch.setenv) as opened:
            yield opened


@pytest.mark.parametrize("seed", range(RUNS))
async def test_interrupted_environment_is_completed_or_destroyed(operations: AwsOperations, seed: int) -> None:
    """Killed in an up. Then, by chance, a second up completes it first, which finds what the first one created and
    Pulumi never recorded. The destroy is killed, too. Afterwards the account is as before."""
    chance, account = random.Random(seed), operations.account
    before = account_contents.everything(account)
    spec = aws_spec(WEB, WORKER, **FULL, settings=account.settings())
    kill_at(operations, account, chance.randint(1, CHANGES_OF_AN_UP), carried_out=chance.random() < 0.5)
    assert (await operations.up(spec)).outcome is Outcome.FAILED

    if chance.random() < 0.5:
        completed = await operations.up(spec, refresh=True)
        assert completed.outcome is Outcome.SUCCEEDED, completed
        kill_at(operations, account, chance.randint(1, CHANGES_OF_A_DESTROY), carried_out=chance.random() < 0.5)
        assert (await operations.destroy()).outcome is Outcome.FAILED

    result = await operations.destroy()
    assert result.outcome is Outcome.SUCCEEDED, result
    assert account_contents.everything(account) == before
    assert TARGET.list_remaining(account.settings()) == []
    assert not operations.worker.backend.exists(operations.ref)


def kill_at(operations: AwsOperations, account: AwsAccount, number: int, *, carried_out: bool) -> None:
    """Kills at that request from now on. ``carried_out``: AWS still does what it asks for, unheard."""
    server = account.server
    assert server is not None
    start = len(server.changes)

    def on_change(now: int) -> bool:
        if now - start < number:
            return True
        operations.kill()
        server.on_change = lambda _: True
        return carried_out

    server.on_change = on_change
