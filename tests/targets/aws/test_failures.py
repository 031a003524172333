"""Failures of AWS during Eph's own operations: throttling, a quota, things that are still in use, a protected database.
L7, L8, T3."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from programs.targets.aws.target import TARGET
from stacks.model import Outcome
from tests.targets.aws import account_contents
from tests.targets.aws.aws_account import AwsAccount, running_account
from tests.targets.aws.aws_operations import AwsOperations, running_operations
from tests.targets.aws.aws_server import AwsServer, Fault
from tests.targets.aws.aws_stack import uses_official_plugin
from tests.targets.aws.recorded_program import NAME, aws_spec
from tests.targets.aws.test_whole_story import FULL

pytestmark = [
    pytest.mark.real,
    pytest.mark.long,
    pytest.mark.timeout(600),
    pytest.mark.skipif(uses_official_plugin(), reason="the official plugin waits for tasks, and moto runs none"),
]


@pytest.fixture
async def operations(tmp_path: Path) -> AsyncIterator[AwsOperations]:
    with pytest.MonkeyPatch.context() as patch, running_account(patch) as account:
        async with running_operations(tmp_path, account, patch.setenv) as opened:
            yield opened


def server_of(account: AwsAccount) -> AwsServer:
    assert account.server is not None
    return account.server


@pytest.mark.exhaustive
async def test_quota_that_is_exceeded_and_throttling_only_delay(operations: AwsOperations) -> None:
    """A failed up names the quota in AWS's words. With a larger quota, the next one completes the environment, and the
    destroy leaves nothing, though AWS throttles and reports dependencies that take a while to disappear."""
    account = operations.account
    server, before = server_of(account), account_contents.everything(account)
    spec = aws_spec(**FULL, settings=account.settings())
    quota = "You have reached your limit of DB instances"
    server.faults.append(Fault("rds CreateDBInstance", "InstanceQuotaExceeded", quota))
    failed = await operations.up(spec)
    assert failed.outcome is Outcome.FAILED
    assert "InstanceQuotaExceeded" in failed.error + "\n".join(failed.tail)
    assert quota in failed.error + "\n".join(failed.tail)
    assert failed.retryable

    server.faults += [
        Fault("rds CreateDBInstance", "Throttling", "Rate exceeded", times=2),
        Fault("ecs CreateService", "ThrottlingException", "Rate exceeded", times=2),
        Fault("elasticloadbalancing DescribeLoadBalancers", "Throttling", "Rate exceeded", times=2),
    ]
    completed = await operations.up(spec)
    assert completed.outcome is Outcome.SUCCEEDED, completed

    in_use = "resource has a dependent object"
    server.faults += [
        Fault("ec2 DeleteSecurityGroup", "DependencyViolation", in_use, times=3),
        Fault("ec2 DeleteSubnet", "DependencyViolation", in_use, times=2),
        Fault("tagging GetResources", "ThrottledException", "Rate exceeded", times=2),
    ]
    destroyed = await operations.destroy()
    assert destroyed.outcome is Outcome.SUCCEEDED, destroyed
    assert account_contents.everything(account) == before
    assert [fault for fault in server.faults if fault.times] == [], "each of them happened"


@pytest.mark.exhaustive
async def test_database_that_someone_protected_is_kept_until_it_is_not(operations: AwsOperations) -> None:
    """Deletion protection that someone enabled makes the destroy fail, visibly and with AWS's words. The stack's record
    stays, so a retry succeeds once the protection is off."""
    account = operations.account
    before = account_contents.everything(account)
    assert (await operations.up(aws_spec(**FULL, settings=account.settings()))).outcome is Outcome.SUCCEEDED
    rds = account.clients().client("rds")
    (database,) = (item["DBInstanceIdentifier"] for item in rds.describe_db_instances()["DBInstances"])
    rds.modify_db_instance(DBInstanceIdentifier=database, DeletionProtection=True)
    refused = await operations.destroy()
    assert refused.outcome is Outcome.FAILED
    assert "rotection" in refused.error + "\n".join(refused.tail)
    assert operations.worker.backend.exists(operations.ref)
    assert any(item.kind == "rds:db" for item in TARGET.list_resources(account.settings()) if item.environment == NAME)

    rds.modify_db_instance(DBInstanceIdentifier=database, DeletionProtection=False)
    assert (await operations.destroy()).outcome is Outcome.SUCCEEDED
    assert account_contents.everything(account) == before
