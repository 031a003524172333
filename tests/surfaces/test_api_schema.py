"""Requests generated from the API's own schema, with each role (S1, S3): no internal error, no undocumented answer.

schemathesis generates valid and invalid ones. The service behind the API is the fake.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import hypothesis
import pytest
import schemathesis
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import Failure, FailureGroup
from schemathesis.specs.openapi.checks import content_type_conformance, status_code_conformance

from orchestrator.auth.fake import MemoryTokens
from orchestrator.auth.identities import Role
from orchestrator.auth.token_service import TokenService
from orchestrator.core.views.phases import Phase
from orchestrator.ledger.fake import MemoryLedger
from orchestrator.service.fake import START, FakeEnvironmentService, sample
from orchestrator.surfaces.api.app import create_app
from tests.surfaces.api_server import TOKENS, api_settings, serve

pytestmark = pytest.mark.long
ROLES = ("nobody", *(role.name.lower() for role in Role))
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance]
EXAMPLES = 8
"""For each operation and role."""


STREAM = "/api/v1/events/stream"
"""Endless, so no request of it ends. Other tests read it."""


@pytest.fixture(scope="module")
def service() -> FakeEnvironmentService:
    return FakeEnvironmentService(sample(7), sample(42), sample(9, Phase.FAILED), sample(3, Phase.QUEUED, "demo/api"))


@pytest.fixture(scope="module")
def url(service: FakeEnvironmentService) -> Iterator[str]:
    tokens = TokenService(MemoryTokens(), MemoryLedger().record, lambda: START)
    with serve(create_app(service, api_settings(token_service=tokens))) as address:
        yield address


@pytest.mark.parametrize("role", ROLES)
def test_generated_requests_get_documented_answers(url: str, role: str) -> None:
    found = operations(url)
    assert len(found) > 25
    assert [text for operation in found for text in problems(operation, role)] == []


def test_an_internal_error_is_found(url: str, service: FakeEnvironmentService, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "status_error", RuntimeError("a bug"))
    found = [text for item in operations(url) if item.path == "/api/v1/status" for text in problems(item, "admin")]
    assert len(found) == 1
    assert "GET /api/v1/status" in found[0]


def operations(url: str) -> list[Any]:
    loaded: list[Any] = [*schemathesis.openapi.from_url(f"{url}/openapi.json").get_all_operations()]
    return [found.ok() for found in loaded if found.ok().path != STREAM]


def problems(operation: Any, role: str) -> Iterator[str]:
    headers = {"Authorization": f"Bearer {TOKENS[role]}"} if role in TOKENS else {}

    @hypothesis.settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(case=operation.as_strategy())
    def send(case: Any) -> None:
        response = case.call(headers=headers, timeout=60)
        case.validate_response(response, checks=CHECKS)

    try:
        send()
    except (FailureGroup, Failure) as error:
        yield f"{operation.method.upper()} {operation.path}: {error}"
