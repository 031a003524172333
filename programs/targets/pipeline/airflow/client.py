"""Requests to Airflow's REST API. Each error names Airflow and what to check."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from programs.kit import waiting
from programs.kit.errors import TargetError
from programs.targets.pipeline import wording
from programs.targets.pipeline.settings import PipelineHost

if TYPE_CHECKING:
    import httpx

PAGE = 100
TIMEOUT = 30.0
ATTEMPTS, RETRY_SECONDS = 4, 0.5
MAX_DETAIL = 300


class AirflowError(TargetError):
    """Airflow refused a request, or can't be reached. ``status`` is 0 if it didn't answer."""

    def __init__(self, sentence: str, status: int = 0) -> None:
        super().__init__(sentence)
        self.status = status


@dataclass(slots=True)
class AirflowClient:
    host: PipelineHost
    session: httpx.Client
    token: str = field(default="", repr=False)

    def get(self, path: str, **query: Any) -> dict[str, Any]:
        return self._request("GET", path, params=query)

    def find(self, path: str) -> dict[str, Any] | None:
        """None if it doesn't exist."""
        try:
            return self._request("GET", path)
        except AirflowError as error:
            if error.status == HTTPStatus.NOT_FOUND:
                return None
            raise

    def list_all(self, path: str, key: str, **query: Any) -> list[dict[str, Any]]:
        """All pages."""
        found: list[dict[str, Any]] = []
        while True:
            page = self.get(path, limit=PAGE, offset=len(found), **query)
            found += page[key]
            if not page[key] or len(found) >= page["total_entries"]:
                return found

    def post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        return self._request("POST", path, json=dict(body))

    def patch(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        return self._request("PATCH", path, json=dict(body))

    def put(self, path: str) -> None:
        self._request("PUT", path)

    def delete(self, path: str) -> None:
        """Idempotent."""
        try:
            self._request("DELETE", path)
        except AirflowError as error:
            if error.status != HTTPStatus.NOT_FOUND:
                raise

    def _request(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        """Airflow fails briefly when its database is busy, so every request is sent again. What the first attempt has
        created may then exist already."""
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return self._send(method, path, **options)
            except AirflowError as error:
                if method == "POST" and attempt > 1 and error.status == HTTPStatus.CONFLICT:
                    return {}
                if attempt == ATTEMPTS or 0 < error.status < HTTPStatus.INTERNAL_SERVER_ERROR:
                    raise
                waiting.pause(RETRY_SECONDS * attempt)
        raise AssertionError("the last attempt returns or raises")

    def _send(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        import httpx

        if not self.token:
            self.token = self._sign_in()
        headers = {"Authorization": f"Bearer {self.token}"}
        try:
            response = self.session.request(method, f"/api/v2/{path}", headers=headers, **options)
        except httpx.HTTPError as error:
            raise AirflowError(wording.airflow_unreachable(self.host.airflow_url, error)) from None
        if not response.is_success:
            raise AirflowError(
                wording.airflow_refused(method, path, response.status_code, _detail(response)), response.status_code
            )
        found: dict[str, Any] = response.json() if response.content else {}
        return found

    def _sign_in(self) -> str:
        import httpx

        if self.host.airflow_token:
            return self.host.airflow_token
        body = {"username": self.host.airflow_user, "password": self.host.airflow_password}
        try:
            response = self.session.post("/auth/token", json=body)
        except httpx.HTTPError as error:
            raise AirflowError(wording.airflow_unreachable(self.host.airflow_url, error)) from None
        if not response.is_success:
            raise AirflowError(wording.sign_in_failed(self.host.airflow_url, response.status_code))
        return str(response.json()["access_token"])


@contextlib.contextmanager
def connect(host: PipelineHost) -> Iterator[AirflowClient]:
    import httpx

    with httpx.Client(base_url=host.airflow_url.rstrip("/"), timeout=TIMEOUT) as session:
        yield AirflowClient(host, session)


def segment(text: str) -> str:
    return quote(text, safe="")


def _detail(response: httpx.Response) -> str:
    try:
        detail = response.json()["detail"]
    except (ValueError, KeyError, TypeError):
        detail = response.text
    return str(detail)[:MAX_DETAIL]
