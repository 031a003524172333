"""Sleep: tasks and databases are stopped. Data, addresses and the load balancer's rules stay.

AWS starts a stopped database after seven days.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from botocore.exceptions import ClientError

from programs.kit import waiting
from programs.targets.aws import gateway_routes, tags
from programs.targets.aws.api import inventory, removal, wording
from programs.targets.aws.api.clients import AwsClients, missing_ignored, translated
from programs.targets.aws.api.inventory import AwsResource
from programs.targets.aws.errors import AwsError

WAIT_SECONDS = 1200.0
POLL_SECONDS = 5.0


def sleep(clients: AwsClients, environment: str) -> None:
    """First the routes, so that the gateway shows why nothing responds; services before the databases they use."""
    gateway_routes.mark(clients.settings.routes, environment, asleep=True)
    resources = inventory.list_environment(clients, environment)
    for resource, _ in _services(clients, resources):
        _set_count(clients, resource, 0)
    for resource in resources:
        if resource.kind == "rds:db":
            _change_database(clients, resource, "stop_db_instance")


def wake(clients: AwsClients, environment: str, wait: bool, poll_seconds: float = POLL_SECONDS) -> None:
    """Databases first: services that start without them would fail."""
    resources = inventory.list_environment(clients, environment)
    databases = [item for item in resources if item.kind == "rds:db"]
    for resource in databases:
        _change_database(clients, resource, "start_db_instance")
    if databases and wait:
        _await(
            clients,
            lambda: all(_database_status(clients, item) == "available" for item in databases),
            wording.DATABASES,
            poll_seconds,
        )
    services = list(_services(clients, resources))
    for resource, service in services:
        _set_count(clients, resource, int(tags.from_list_lower(service["tags"]).get(tags.REPLICAS, "1")))
    if wait:
        _await(
            clients,
            lambda: all(_is_steady(service) for _, service in _services(clients, resources)),
            wording.SERVICES,
            poll_seconds,
        )
    gateway_routes.mark(clients.settings.routes, environment, asleep=False)


def _await(clients: AwsClients, condition: Callable[[], bool], what: str, poll_seconds: float) -> None:
    if not waiting.wait_until(condition, WAIT_SECONDS, poll_seconds, clients.clock):
        raise AwsError(wording.did_not_start(what, WAIT_SECONDS / 60))


def _is_steady(service: dict[str, Any]) -> bool:
    return bool(service["runningCount"] >= service["desiredCount"] > 0)


def _services(clients: AwsClients, resources: list[AwsResource]) -> Iterator[tuple[AwsResource, dict[str, Any]]]:
    for resource in resources:
        if resource.kind == "ecs:service":
            with translated("ecs DescribeServices"):
                found = clients.client("ecs").describe_services(
                    cluster=_cluster(resource), services=[resource.id], include=["TAGS"]
                )["services"]
            yield from ((resource, service) for service in found if service["status"] == "ACTIVE")


def _set_count(clients: AwsClients, resource: AwsResource, count: int) -> None:
    with missing_ignored(f"scaling {resource.name}"):
        clients.client("ecs").update_service(cluster=_cluster(resource), service=resource.id, desiredCount=count)


def _cluster(resource: AwsResource) -> str:
    return resource.id.split("/")[1]


def _change_database(clients: AwsClients, resource: AwsResource, operation: str) -> None:
    """Accepts that a database is already stopped or already running."""
    with missing_ignored(f"{operation} {resource.name}"):
        try:
            getattr(clients.client("rds"), operation)(DBInstanceIdentifier=resource.name)
        except ClientError as error:
            if error.response["Error"]["Code"] not in removal.WRONG_STATE:
                raise


def _database_status(clients: AwsClients, resource: AwsResource) -> str:
    with translated("rds DescribeDBInstances"):
        found = clients.client("rds").describe_db_instances(DBInstanceIdentifier=resource.name)["DBInstances"]
    return str(found[0]["DBInstanceStatus"])
