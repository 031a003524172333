"""Routes from Eph's gateway to the load balancer, by which ephd knows that an environment responds. T3, P3, L5, C2."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from programs.kit import routes
from programs.kit.routes import RouteRecord
from programs.spec import HealthCheck
from programs.targets.aws import gateway_routes
from programs.targets.aws.api.existing_parts import ExistingParts
from programs.targets.aws.settings import AwsSettings
from programs.targets.aws.target import TARGET
from programs.targets.aws.v1.providers import LoadBalancerRouteProvider
from tests.targets.aws.aws_account import AwsAccount
from tests.targets.aws.recorded_program import NAME, OWN_NETWORK, SETTINGS, WEB, aws_spec, record_program

HOST = f"{NAME}.preview.test"
KIND = "pulumi-python:dynamic/eph:LoadBalancerRoute"


@pytest.mark.parametrize(
    ("settings", "shared", "expected"),
    [
        ({}, OWN_NETWORK, f"http://{HOST}"),
        ({"certificate": "arn:aws:acm:cert"}, OWN_NETWORK, f"https://{HOST}"),
        ({}, ExistingParts(listener_scheme="https", listener_port=443), f"https://{HOST}"),
        ({}, ExistingParts(listener_scheme="https", listener_port=8443), f"https://{HOST}:8443"),
        ({"load_balancer_url": "http://10.0.0.5"}, OWN_NETWORK, "http://10.0.0.5"),
    ],
)
def test_route_leads_to_where_visitors_connect(settings: dict[str, str], shared: ExistingParts, expected: str) -> None:
    assert gateway_routes.upstream(replace(SETTINGS, **settings), shared, HOST) == expected


def test_each_public_service_has_a_route_once_everything_else_is_ready(tmp_path: Path) -> None:
    spec = aws_spec(replace(WEB, health=HealthCheck("/healthz", 30)), replace(WEB, name="api"))
    found = record_program(spec, replace(SETTINGS, routes=str(tmp_path))).resources
    made = {key.partition(" ")[2]: inputs for key, inputs in found.items() if key.startswith(KIND)}
    assert {name: inputs["host"] for name, inputs in made.items()} == {
        "route-web": HOST,
        "route-api": f"api--{HOST}",
    }
    assert made["route-web"]["health"] == "/healthz"
    assert made["route-web"]["upstream"] == f"http://{HOST}"


def test_route_is_written_read_and_deleted(tmp_path: Path) -> None:
    provider, props = LoadBalancerRouteProvider(), route_props(tmp_path)
    created = provider.create(props)
    assert created.id == f"{NAME}/{HOST}"
    (route,) = gateway_routes.list_routes(str(tmp_path))
    assert (route.host, route.upstream, route.sole) == (HOST, "http://lb.test", False)
    assert provider.read(str(created.id), props).id == created.id
    provider.delete(str(created.id), props)
    assert provider.read(str(created.id), props).id == "", "a refresh notices that it's gone"


def test_purge_removes_routes_and_an_audit_lists_them(account: AwsAccount, tmp_path: Path) -> None:
    settings = account.settings(routes=str(tmp_path))
    write(tmp_path, NAME, HOST)
    write(tmp_path, "other-calm-lake-7", "other.preview.test")
    routes.write(tmp_path, RouteRecord("local.preview.test", "http://127.0.0.1:1", NAME, "web", "a" * 40))
    assert TARGET.list_environments(settings) == {NAME, "other-calm-lake-7"}
    (held,) = (item for item in TARGET.list_resources(settings) if item.environment == NAME)
    assert (held.kind, held.name, held.removal_command) == ("gateway:route", HOST, f"rm -f {tmp_path}/{HOST}.json")
    assert TARGET.remove_unrecorded(NAME, settings, frozenset({f"{NAME}/{HOST}"})) is False
    TARGET.purge(NAME, settings)
    assert sorted(path.stem for path in tmp_path.iterdir()) == ["local.preview.test", "other.preview.test"]


def test_sleep_and_wake_are_marked_for_the_gateway(account: AwsAccount, tmp_path: Path) -> None:
    settings = account.settings(routes=str(tmp_path))
    write(tmp_path, NAME, HOST)
    TARGET.sleep(NAME, settings)
    assert [route.asleep for route in gateway_routes.list_routes(str(tmp_path))] == [True]
    TARGET.wake(NAME, settings)
    assert [route.asleep for route in gateway_routes.list_routes(str(tmp_path))] == [False]


def test_settings_without_a_gateway_have_no_routes() -> None:
    assert not any(key.startswith(KIND) for key in record_program(aws_spec()).resources)
    assert AwsSettings("eu-central-1", "eph").routes == ""


def route_props(folder: Path) -> dict[str, Any]:
    return {
        "folder": str(folder),
        "environment": NAME,
        "host": HOST,
        "service": "web",
        "commit": "a" * 40,
        "upstream": "http://lb.test",
        "health": "/",
    }


def write(folder: Path, environment: str, host: str) -> None:
    gateway_routes.write(str(folder), RouteRecord(host, "http://lb.test", environment, "web", "a" * 40))
