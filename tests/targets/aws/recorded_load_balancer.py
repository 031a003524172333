"""A load balancer for moto, which records listeners and services but routes and runs nothing.

It answers as the records say: 404 for a host name that no rule has, 503 for a service without tasks, and otherwise a
page with the commit that the service's task definition runs, and its variable PAGE.
"""

from __future__ import annotations

import contextlib
import http.server
import json
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

from programs.targets.aws.api.clients import AwsClients
from tests.images.registry_server import serve
from tests.targets.aws.aws_account import AwsAccount


@contextlib.contextmanager
def listening(endpoint: str, listener: str, cluster: str) -> Iterator[str]:
    """The URL of the load balancer with that listener."""
    clients = AwsAccount(endpoint, "Z0").clients()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            host = self.headers.get("Host", "").partition(":")[0]
            status, page = _answer(clients, listener, cluster, host)
            body = json.dumps(page).encode()
            with contextlib.suppress(ConnectionError):  # a probe that has given up
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Silent."""

    with serve(Handler) as address:
        yield f"http://{address}"


def _answer(clients: AwsClients, listener: str, cluster: str, host: str) -> tuple[HTTPStatus, dict[str, str]]:
    group = _target_group(clients, listener, host)
    if not group:
        return HTTPStatus.NOT_FOUND, {}
    ecs = clients.client("ecs")
    arns = ecs.list_services(cluster=cluster)["serviceArns"]
    services = ecs.describe_services(cluster=cluster, services=arns)["services"] if arns else []
    for service in services:
        attached = {item["targetGroupArn"] for item in service["loadBalancers"]}
        if group in attached and service["desiredCount"] > 0:
            definition = ecs.describe_task_definition(taskDefinition=service["taskDefinition"])["taskDefinition"]
            variables = {item["name"]: item["value"] for item in definition["containerDefinitions"][0]["environment"]}
            return HTTPStatus.OK, {"commit": variables["EPH_COMMIT"], "page": variables.get("PAGE", "")}
    return HTTPStatus.SERVICE_UNAVAILABLE, {}


def _target_group(clients: AwsClients, listener: str, host: str) -> str:
    for rule in clients.client("elbv2").describe_rules(ListenerArn=listener)["Rules"]:
        if any(host in _hosts(condition) for condition in rule["Conditions"]):
            return str(rule["Actions"][0]["TargetGroupArn"])
    return ""


def _hosts(condition: dict[str, Any]) -> list[str]:
    return [*condition.get("Values", []), *condition.get("HostHeaderConfig", {}).get("Values", [])]
