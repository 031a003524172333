"""The program on the real Pulumi engine, from the first up to an empty account. T3, L9, C1, C2.

AWS is moto, which keeps records of everything and runs nothing: ``test_real_containers`` does. The plugin is the
stand-in, because the official one waits for services that run.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from programs.spec import DatabaseSpec
from programs.targets.aws.target import TARGET
from tests.targets.aws import account_contents
from tests.targets.aws.aws_account import AwsAccount, running_account
from tests.targets.aws.aws_stack import AwsStack, uses_official_plugin
from tests.targets.aws.recorded_program import NAME, WEB
from tests.targets.aws.test_program_shape import WORKER

pytestmark = [
    pytest.mark.real,
    pytest.mark.long,
    pytest.mark.timeout(600),
    pytest.mark.skipif(uses_official_plugin(), reason="the official plugin waits for tasks, and moto runs none"),
]
NEW_IMAGE = f"registry.test/acme/shop@sha256:{'d' * 64}"
FULL = {
    "options": {"size": "ephemeral", "queues": ["jobs"], "buckets": ["files"]},
    "databases": (DatabaseSpec("main"),),
}


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[AwsStack]:
    with pytest.MonkeyPatch.context() as patch, running_account(patch) as account:
        yield AwsStack(tmp_path, account)


def test_story_ends_with_an_empty_account(stack: AwsStack) -> None:
    """Up, the same again, a new image, sleep and wake, what someone deleted or changed, destroy."""
    account = stack.account
    before = account_contents.everything(account)
    spec = stack.spec(WEB, WORKER, **FULL)
    assert set(stack.changes("up", spec)) == {"create"}
    assert len(account_contents.everything(account) - before) == 31, "with what AWS adds to a network"
    assert stack.changes("preview", spec) == {}

    updated = replace(spec, images={"shop": NEW_IMAGE})
    assert stack.changes("up", updated) == {"replace": 2, "update": 4}, "task definitions; services, mark and time"

    TARGET.sleep(NAME, account.settings())
    TARGET.wake(NAME, account.settings(), wait=False)
    damage(account)
    assert stack.changes("refresh") == {"delete": 1, "update": 1}, "sleep leaves nothing that an update would revert"
    assert stack.changes("up", updated) == {"create": 1, "update": 1}

    objects_in_bucket(account)
    stack.run("destroy")
    TARGET.purge(NAME, account.settings())
    assert account_contents.everything(account) == before
    assert TARGET.list_remaining(account.settings()) == []


def damage(account: AwsAccount) -> None:
    """Someone deletes the queue and shortens the retention of logs."""
    clients = account.clients()
    sqs, logs = clients.client("sqs"), clients.client("logs")
    (queue,) = (url for url in sqs.list_queues()["QueueUrls"] if "dead" not in url)
    sqs.delete_queue(QueueUrl=queue)
    (group,) = logs.describe_log_groups(logGroupNamePrefix="/eph/")["logGroups"]
    logs.put_retention_policy(logGroupName=group["logGroupName"], retentionInDays=1)


def objects_in_bucket(account: AwsAccount) -> None:
    s3 = account.clients().client("s3")
    for bucket in s3.list_buckets()["Buckets"]:
        s3.put_object(Bucket=bucket["Name"], Key="file", Body=b"one")
