"""The connections of environments. Airflow encrypts their passwords, and an environment's DAGs use only its own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from programs.targets.pipeline import names
from programs.targets.pipeline.airflow.client import AirflowClient, segment
from programs.targets.pipeline.data.port import DataConnection


def connection_id(environment: str, name: str) -> str:
    return f"{names.prefix(environment)}{name}"


def write(client: AirflowClient, environment: str, wanted: Iterable[str], target: DataConnection) -> dict[str, str]:
    """Creates or updates those that the repository names, deletes others of the environment, and returns the ID of
    each."""
    found = {name: connection_id(environment, name) for name in wanted}
    existing = {str(item["connection_id"]) for item in list_of(client, environment)}
    for identifier in found.values():
        body = {
            "connection_id": identifier,
            "conn_type": target.kind,
            "description": names.owner_tag(client.host.server),
            "host": target.host,
            "port": target.port,
            "login": target.login,
            "password": target.password,
            "schema": target.database,
            "extra": target.extra,
        }
        if identifier in existing:
            client.patch(f"connections/{segment(identifier)}", body)
        else:
            client.post("connections", body)
    delete(client, environment, keep=frozenset(found.values()))
    return found


def list_of(client: AirflowClient, environment: str) -> list[Mapping[str, Any]]:
    prefix = names.prefix(environment)
    found = client.list_all("connections", "connections", connection_id_pattern=f"{prefix}%")
    return [item for item in found if str(item["connection_id"]).startswith(prefix)]


def list_environments(client: AirflowClient) -> frozenset[str]:
    tag = names.owner_tag(client.host.server)
    found = client.list_all("connections", "connections", connection_id_pattern=f"%{names.SEPARATOR}%")
    owned = (str(item["connection_id"]) for item in found if item.get("description") == tag)
    return frozenset(filter(None, map(names.environment_of, owned)))


def delete(client: AirflowClient, environment: str, keep: frozenset[str] = frozenset()) -> None:
    for item in list_of(client, environment):
        if item["connection_id"] not in keep:
            client.delete(f"connections/{segment(str(item['connection_id']))}")
