"""AWS takes its time: what it doesn't list yet, databases that take a quarter of an hour, credentials that expire in
the middle of a destroy. Minutes pass at once, and the failures are injected in front of moto. L5, L7, L8, C2, S4."""

from __future__ import annotations

import json

import pytest
from moto.rds.models import rds_backends

from programs.targets.aws import tags
from programs.targets.aws.api import inventory, one_off_tasks, removal, sleep
from programs.targets.aws.api.one_off_tasks import TaskRequest
from programs.targets.aws.errors import AwsError
from programs.targets.aws.target import TARGET
from tests.targets.aws import aws_server
from tests.targets.aws.aws_account import REGION, AwsAccount, VirtualClock, marks
from tests.targets.aws.aws_server import AwsServer, Fault

pytestmark = [pytest.mark.real, pytest.mark.long, pytest.mark.timeout(300)]
NAME, DATABASE = "shop-gentle-stream-42", "eph-main-1"
ALWAYS = 1_000_000
QUARTER_HOUR = 15 * 60.0
TASK = f"arn:aws:ecs:{REGION}:123456789012:task/previews/1"
REQUEST = TaskRequest("migrate main", "previews", "run", ("subnet-1",), "sg-1", "/eph/x", 300.0)
NOT_DESCRIBED = json.dumps({"tasks": [], "failures": [{"arn": TASK, "reason": "MISSING"}]})


def server_of(account: AwsAccount) -> AwsServer:
    assert account.server is not None
    return account.server


def test_task_that_ecs_does_not_describe_yet_is_awaited(account: AwsAccount) -> None:
    """And one that never appears is an error, not an endless wait."""
    server, clock = server_of(account), VirtualClock()
    started = json.dumps({"tasks": [{"taskArn": TASK}], "failures": []})
    stopped = json.dumps({"tasks": [{"lastStatus": "STOPPED", "containers": [{"exitCode": 0}]}], "failures": []})
    server.faults += [
        aws_server.not_listed_yet("ecs RunTask", started, 2),
        aws_server.not_listed_yet("ecs DescribeTasks", NOT_DESCRIBED, 8),
        aws_server.not_listed_yet("ecs DescribeTasks", stopped, 3),
    ]
    one_off_tasks.run(account.clients_at(clock), REQUEST)
    assert clock.seconds == 8 * one_off_tasks.POLL_SECONDS

    server.faults.append(aws_server.not_listed_yet("ecs DescribeTasks", NOT_DESCRIBED, ALWAYS))
    with pytest.raises(AwsError, match="the task no longer exists"):
        one_off_tasks.run(account.clients_at(clock), REQUEST)


def test_what_is_not_listed_yet_is_found_by_the_next_purge(account: AwsAccount) -> None:
    """The loop purges an environment as long as the target lists it, so nothing stays unnoticed."""
    sqs, server = account.clients().client("sqs"), server_of(account)
    sqs.create_queue(QueueName="eph-jobs-1", tags=marks(NAME))
    hidden = aws_server.not_listed_yet("tagging GetResources", json.dumps({"ResourceTagMappingList": []}), 1)
    server.faults.append(hidden)
    TARGET.purge(NAME, account.settings())
    assert hidden.times == 0
    assert TARGET.list_environments(account.settings()) == {NAME}
    TARGET.purge(NAME, account.settings())
    assert "QueueUrls" not in sqs.list_queues()


def create_database(account: AwsAccount) -> None:
    account.clients().client("rds").create_db_instance(
        DBInstanceIdentifier=DATABASE,
        DBInstanceClass="db.t4g.micro",
        Engine="postgres",
        AllocatedStorage=20,
        MasterUsername="app",
        MasterUserPassword="long-enough-1",
        DeletionProtection=True,
        Tags=tags.to_list(marks(NAME)),
    )


def set_status(status: str) -> None:
    rds_backends["123456789012"][REGION].databases[DATABASE].status = status


def test_database_that_takes_15_minutes_to_create_is_deleted_then(account: AwsAccount) -> None:
    """Until then AWS refuses to change it. A destroy waits instead of giving up."""
    create_database(account)
    server, clock = server_of(account), VirtualClock()
    creating = "Instance eph-main-1 is currently creating"
    server.faults += [
        Fault("rds ModifyDBInstance", "InvalidDBInstanceState", creating, times=ALWAYS),
        Fault("rds DeleteDBInstance", "InvalidDBInstanceState", creating, times=ALWAYS),
    ]
    clock.at(QUARTER_HOUR, server.faults.clear)
    clients = account.clients_at(clock)
    removal.purge(clients, NAME)
    assert clock.seconds >= QUARTER_HOUR
    assert inventory.list_environment(clients, NAME) == []


def test_database_that_stays_busy_is_an_error_after_half_an_hour(account: AwsAccount) -> None:
    create_database(account)
    server, clock = server_of(account), VirtualClock()
    server.faults.append(Fault("rds ModifyDBInstance", "InvalidDBInstanceState", times=ALWAYS))
    with pytest.raises(AwsError, match="1 resources of shop-gentle-stream-42 can't be removed") as caught:
        removal.purge(account.clients_at(clock), NAME)
    assert "still creating or changing the database eph-main-1 after 30 minutes" in caught.value.tail[0]
    assert clock.seconds < 2 * removal.WAIT_SECONDS, "the loop retries later"


def test_wake_waits_a_quarter_of_an_hour_for_a_database(account: AwsAccount) -> None:
    create_database(account)
    clock = VirtualClock()
    clients = account.clients_at(clock)
    sleep.sleep(clients, NAME)
    set_status("starting")
    clock.at(QUARTER_HOUR, lambda: set_status("available"))
    sleep.wake(clients, NAME, wait=True, poll_seconds=60.0)
    assert QUARTER_HOUR <= clock.seconds < sleep.WAIT_SECONDS

    set_status("starting")
    with pytest.raises(AwsError, match="the databases didn't start within 20 minutes"):
        sleep.wake(clients, NAME, wait=True, poll_seconds=60.0)


def test_credentials_that_expire_during_a_destroy_are_renewed(account: AwsAccount) -> None:
    """AWS no longer accepts the first ones, and what they couldn't remove is removed with the next."""
    sqs, server, clock = account.clients().client("sqs"), server_of(account), VirtualClock()
    for number in range(4):
        sqs.create_queue(QueueName=f"eph-jobs-{number}", tags=marks(NAME))
    role = account.clients().client("iam").create_role(RoleName="eph", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
    clients = account.clients_at(clock, role=role)
    first = clients.access_key()
    start = len(server.changes)

    def on_change(now: int) -> bool:
        if now - start == 2:
            clock.pause(55 * 60.0)
            server.expired_keys.add(first)
        return True

    server.on_change = on_change
    removal.purge(clients, NAME)
    assert "QueueUrls" not in sqs.list_queues()
    assert clients.access_key() != first
