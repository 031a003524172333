"""What people read when AWS refuses a request, or does something other than expected."""

from __future__ import annotations

# --- Every request. ``request`` is one of the names below, or AWS's own: "ecs DescribeServices"


def refused(request: str, code: str, message: str) -> str:
    return f"AWS refused {request}: {code}: {message}"


def unreachable(request: str, problem: object) -> str:
    return f"AWS can't be reached for {request}: {problem}"


READING_CREDENTIALS = "reading AWS credentials"
READING_SUBNETS = "ec2 DescribeSubnets for the setting 'subnets'"
READING_LISTENER = "elasticloadbalancing DescribeListeners for the setting 'listener'"
READING_RECORDS = "route53 ListResourceRecordSets for the setting 'zone'"


def connecting_to(service: str) -> str:
    return f"connecting to {service}"


def starting_task(title: str) -> str:
    return f"starting the task {title}"


def reading_task(title: str) -> str:
    return f"reading the task {title}"


def stopping_task(title: str) -> str:
    return f"stopping the task {title}"


def reading_task_log(title: str) -> str:
    return f"reading the log of {title}"


def describing(kind: str, name: str) -> str:
    return f"describing {kind} {name}"


def deleting(kind: str, name: str) -> str:
    return f"deleting {kind} {name}"


def reading_database(name: str) -> str:
    return f"reading the database {name}"


def deleting_rule(rule: str) -> str:
    return f"deleting the rule {rule}"


def deleting_route(table: str) -> str:
    return f"deleting a route of {table}"


def deleting_association(association: str) -> str:
    return f"deleting the association {association}"


def reading_listeners(balancer: str) -> str:
    return f"reading the listeners of {balancer}"


# --- The account and what the settings refer to

CREDENTIALS_MISSING = "AWS credentials are missing. Set AWS_PROFILE or AWS_ACCESS_KEY_ID for ephd."


def wrong_account(account: str, allowed: str) -> str:
    return f"the credentials belong to the account {account}, but setting 'accounts' allows only {allowed}"


def unsuitable_subnets(vpcs: int, zones: int) -> str:
    return f"setting 'subnets' lists subnets of {vpcs} VPCs in {zones} zones; use one VPC and at least two zones"


def listener_elsewhere(listeners_vpc: str, subnets_vpc: str) -> str:
    return f"setting 'listener' belongs to the VPC {listeners_vpc}, but 'subnets' to {subnets_vpc}; use one VPC"


def no_snapshot(instance: str) -> str:
    return f"setting 'snapshots': the RDS instance {instance} has no available PostgreSQL snapshot"


def snapshot_not_encrypted(snapshot: str) -> str:
    return (
        f"the snapshot {snapshot} isn't encrypted, and a database restored from it can't be; use an encrypted instance"
    )


# --- Tasks


def task_timed_out(title: str, seconds: float) -> str:
    return f"{title}: stopped after {seconds:.0f} s"


def task_failed(title: str, reason: str) -> str:
    return f"{title} failed: {reason}"


def exit_status(code: int) -> str:
    return f"exit status {code}"


NEVER_STARTED = "it never started"


def task_cannot_start(title: str, reason: str) -> str:
    return f"{title} can't start: {reason}"


def task_gone(title: str) -> str:
    return f"{title}: the task no longer exists; someone stopped it"


# --- Starting, stopping and removing what exists

DATABASES = "databases"
SERVICES = "services"


def did_not_start(parts: str, minutes: float) -> str:
    return f"the {parts} didn't start within {minutes:.0f} minutes"


def cannot_tag(arn: str, reason: str) -> str:
    return f"AWS can't tag {arn}: {reason}"


def cannot_describe_database(name: str, problem: object) -> str:
    return f"AWS can't describe the database {name}: {problem}"


def cannot_remove(count: int, environment: str) -> str:
    return f"{count} resources of {environment} can't be removed"


def database_busy(name: str, minutes: float) -> str:
    return f"AWS is still creating or changing the database {name} after {minutes:.0f} minutes, so it can't be deleted"


def databases_remain(databases: str, minutes: float) -> str:
    return f"the databases {databases} are still being deleted after {minutes:.0f} minutes"
