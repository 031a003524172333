"""What every installed Git host adapter must fulfil besides the port itself. Rows: O5, S1."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from pydantic import ValidationError

from orchestrator.config.settings.server_settings import ServerSettings
from orchestrator.forges import registry
from orchestrator.forges.registry import UnknownForge
from orchestrator.forges.settings import ForgeSettings
from orchestrator.forges.webhooks import WebhookParser, WebhookRequest
from tests.contracts.forge_harnesses import HARNESSES

NOW = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)
SECRET = b"It's a Secret to Everybody"
FORGES = registry.installed_forges()


@pytest.fixture(params=[name for name in FORGES if registry.get(name).webhooks])
def parser(request: pytest.FixtureRequest) -> WebhookParser:
    found = registry.get(request.param).webhooks
    assert found is not None
    return found


def test_every_adapter_runs_the_contracts() -> None:
    assert {harness.adapter for harness in HARNESSES.values()} - {""} == set(FORGES)


@pytest.mark.parametrize("name", FORGES)
def test_settings_name_their_adapter_and_describe_every_field(name: str) -> None:
    model = registry.get(name).settings_model
    assert issubclass(model, ForgeSettings)
    assert model.model_fields["kind"].default == name
    assert all(field.description for field in model.model_fields.values())


@pytest.mark.parametrize("name", FORGES)
def test_unknown_setting_is_refused(name: str) -> None:
    with pytest.raises(ValidationError, match=r"forge\.colour"):
        ServerSettings(forge={"kind": name, "colour": "red"})


def test_unknown_git_host_lists_the_installed_ones() -> None:
    with pytest.raises(UnknownForge, match=rf"Unknown Git host 'cvs'. Installed: {', '.join(FORGES)}\."):
        registry.get("cvs")
    with pytest.raises(ValidationError, match="Unknown Git host 'cvs'"):
        ServerSettings(forge={"kind": "cvs"})


def test_ping_is_accepted_and_triggers_nothing(parser: WebhookParser) -> None:
    event = parser.parse(parser.ping(SECRET, "d-1"), SECRET, NOW)
    assert event is not None
    assert (event.delivery_id, event.key, event.everything) == ("d-1", None, False)


def test_forged_request_is_refused(parser: WebhookParser) -> None:
    ping = parser.ping(SECRET, "d-1")
    assert parser.parse(ping, b"another secret", NOW) is None
    assert parser.parse(WebhookRequest({}, ping.body), SECRET, NOW) is None
    assert parser.parse(parser.ping(b"", "d-1"), b"", NOW) is None


@pytest.mark.parametrize("size", [101, 60_000])
def test_request_with_an_endless_header_is_refused(parser: WebhookParser, size: int) -> None:
    assert parser.parse(parser.ping(SECRET, "d" * size), SECRET, NOW) is None
