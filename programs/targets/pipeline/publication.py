"""The page at an environment's address: its DAGs, with links to Airflow, and where its data is."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from programs.kit import address_server, files, host_settings, identifiers, routes
from programs.kit.processes import shared_server, supervisor
from programs.kit.processes.shared_server import SharedServer
from programs.kit.record_environments import RecordEnvironments
from programs.kit.routes import RouteRecord
from programs.targets.pipeline.airflow.dags import ParsedDag
from programs.targets.pipeline.settings import PipelineHost

TARGET_NAME = "pipeline"
SERVICE = "dags"
SERVER = "addresses"


def ensure(host: PipelineHost) -> None:
    """Starts the server of the pages, unless it runs."""
    files.make_folder(host.root)
    files.make_folder(host.pages)
    host_settings.save(host)
    supervisor.ensure(host)
    shared_server.ensure(host, SharedServer(SERVER, "address server", Path(address_server.__file__), host.pages))


def dag_url(host: PipelineHost, dag_id: str) -> str:
    return f"{host.web_url}/dags/{quote(dag_id, safe='')}"


def publish(host: PipelineHost, name: str, props: Mapping[str, Any], dags: Sequence[ParsedDag], data: str) -> None:
    outputs = {f"DAG {dag.name}": dag_url(host, dag.dag_id) for dag in sorted(dags, key=lambda dag: dag.name)}
    record = {
        "environment": name,
        "commit": props["commit"],
        "location": "",
        "outputs": {**outputs, **({"Data": data} if data else {})},
        "plan": f"{len(dags)} DAGs",
    }
    files.write(host.pages / f"{identifiers.check_host(props['host'])}.json", json.dumps(record))
    route = RouteRecord(
        props["host"],
        shared_server.upstream(host, SERVER),
        name,
        SERVICE,
        props["commit"],
        sign_in=bool(props["sign_in"]),
        allow=tuple(props["allow"]),
        target=TARGET_NAME,
    )
    routes.write(host.routes, route)


def environments(host: PipelineHost) -> RecordEnvironments:
    """What exists of them on this machine."""
    return RecordEnvironments(host, host, TARGET_NAME, _records(host))


def _records(host: PipelineHost) -> dict[Path, str]:
    found = {}
    for path in sorted(host.pages.glob("*.json")):
        try:
            found[path] = str(json.loads(path.read_text())["environment"])
        except FileNotFoundError:
            continue
    return found


def list_complete(host: PipelineHost) -> frozenset[str]:
    found = environments(host)
    return found.list_routed() & frozenset(found.records.values())
