"""Requests to an Airflow that is busy, refuses or is gone, over HTTP. Rows: T5, S4."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from programs.targets.pipeline import settings
from programs.targets.pipeline.airflow import client as airflow_client
from programs.targets.pipeline.airflow.client import AirflowError
from programs.targets.pipeline.settings import PipelineHost


@dataclass
class AnsweringServer:
    """Answers with the next status of ``statuses``, then with 200. It knows nothing of Airflow but its sign-in."""

    url: str = ""
    statuses: list[int] = field(default_factory=list)
    seen: list[str] = field(default_factory=list)


@pytest.fixture
def server() -> Iterator[AnsweringServer]:
    found = AnsweringServer()

    class Handler(http.server.BaseHTTPRequestHandler):
        def _answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            found.seen.append(f"{self.command} {self.path}")
            is_sign_in = self.path == "/auth/token"
            status = 201 if is_sign_in else found.statuses.pop(0) if found.statuses else 200
            body = json.dumps(
                {"access_token": "secret-token"} if is_sign_in else {"detail": "why", "dags": []}
            ).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def __getattr__(self, name: str) -> object:
            if name.startswith("do_"):
                return self._answer
            raise AttributeError(name)

        def log_message(self, *_: object) -> None:
            """Nothing."""

    listening = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found.url = f"http://127.0.0.1:{listening.server_address[1]}"
    thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield found
    listening.shutdown()
    thread.join()
    listening.server_close()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(airflow_client, "RETRY_SECONDS", 0.001)


def host(server: AnsweringServer, **strings: str) -> PipelineHost:
    return settings.from_mapping(
        {"root": "/nowhere", "airflow_url": server.url, "airflow_password": "hunter2", **strings}
    )


@pytest.mark.parametrize("method", ["get", "find", "delete"])
def test_a_busy_airflow_is_asked_again(server: AnsweringServer, method: str) -> None:
    server.statuses = [500, 503]
    with airflow_client.connect(host(server)) as client:
        getattr(client, method)("dags/x")
    assert len(server.seen) == 4, "a sign-in and three attempts"


def test_what_a_failed_attempt_created_is_not_an_error(server: AnsweringServer) -> None:
    server.statuses = [500, 409]
    with airflow_client.connect(host(server)) as client:
        assert client.post("connections", {}) == {}
        server.statuses = [409]
        with pytest.raises(AirflowError) as caught:
            client.post("connections", {})
    assert caught.value.status == 409


@pytest.mark.parametrize(("status", "attempts"), [(403, 1), (404, 1), (500, 4)])
def test_a_refusal_says_what_was_refused_and_no_password(server: AnsweringServer, status: int, attempts: int) -> None:
    server.statuses = [status] * 9
    with airflow_client.connect(host(server)) as client, pytest.raises(AirflowError) as caught:
        client.get("dags")
    assert caught.value.status == status
    assert len(server.seen) == 1 + attempts
    assert "hunter2" not in f"{caught.value}{client!r}"
    assert "secret-token" not in repr(client)


def test_what_does_not_exist_is_none_and_deleted(server: AnsweringServer) -> None:
    server.statuses = [404, 404]
    with airflow_client.connect(host(server, airflow_token="t")) as client:
        assert client.find("dags/x") is None
        client.delete("dags/x")
    assert server.seen == ["GET /api/v2/dags/x", "DELETE /api/v2/dags/x"], "a token needs no sign-in"


def test_names_can_not_leave_their_path() -> None:
    assert airflow_client.segment("../connections?x=1#") == "..%2Fconnections%3Fx%3D1%23"
