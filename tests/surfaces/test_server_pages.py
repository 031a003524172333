"""The dashboard's pages about the server. Rows: P6, O4 (pause), C2 (orphans), S4 (secrets aren't shown)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from orchestrator.config.settings.server_settings import ServerSettings
from orchestrator.config.settings.shown_settings import HIDDEN, effective
from orchestrator.core.orphans.orphan_audit import AuditResult, OrphanedResource
from orchestrator.ledger.port import Event
from orchestrator.service.fake import START, FakeEnvironmentService, sample
from orchestrator.surfaces.dashboard.server_pages import find_removed
from stacks import keys
from stacks.model import RefKind

NASTY = "<script>alert(1)</script>"


def test_only_admins_pause_and_resume(
    admin: httpx.Client, as_role: Callable[[str], httpx.Client], desk: FakeEnvironmentService
) -> None:
    developer = as_role("developer")
    assert "/server/pause" not in developer.get("/server").text
    assert developer.post("/server/pause", data={"reason": "mine"}).status_code == 403
    assert 'action="/server/pause"' in admin.get("/server").text
    assert admin.post("/server/pause", data={"reason": NASTY}, follow_redirects=False).status_code == 303
    assert desk.paused is not None
    assert desk.paused.reason == NASTY
    text = admin.get("/server").text
    assert 'action="/server/resume"' in text
    assert NASTY not in text
    assert "/server/resume" not in developer.get("/server").text
    assert developer.post("/server/resume").status_code == 403
    assert admin.post("/server/resume", follow_redirects=False).status_code == 303
    assert desk.paused is None


def test_a_cross_site_request_pauses_nothing(admin: httpx.Client, desk: FakeEnvironmentService) -> None:
    token = admin.headers.pop("authorization").removeprefix("Bearer ")
    own = {"Origin": str(admin.base_url).rstrip("/")}
    admin.post("/login", data={"token": token}, headers=own)
    evil = {"Origin": "https://evil.example.com", "Sec-Fetch-Site": "cross-site"}
    assert admin.post("/server/pause", data={}, headers=evil).status_code == 403
    assert desk.paused is None


def test_settings_are_for_admins(admin: httpx.Client, as_role: Callable[[str], httpx.Client]) -> None:
    assert as_role("developer").get("/settings").status_code == 403
    assert admin.get("/settings").status_code == 200


def test_effective_settings_contain_no_secret(tmp_path: Path) -> None:
    values: dict[str, Any] = {
        "home": tmp_path,
        "interval": timedelta(seconds=7),
        "ledger_url": SecretStr("postgresql://eph:sesame@db/eph"),
        "forge": {"token": "sesame", "clone_url": "https://eph:sesame@mirror.example.com/{full_name}"},
        "local": {"env": {"PIP_TOKEN": "sesame"}},
        "channels": {"team": {"kind": "slack", "url": "https://hooks.example.com/sesame"}},
    }
    settings = ServerSettings(**values)
    found = {item.name: item for item in effective(settings)}
    assert "sesame" not in repr(found)
    assert found["ledger_url"].value == HIDDEN
    assert found["channels"].value == "team"
    assert (found["interval"].value, found["interval"].is_default) == ("0:00:07", False)
    assert found["workers"].is_default
    assert len(found) > 100


def test_orphans_are_listed(
    admin: httpx.Client, as_role: Callable[[str], httpx.Client], desk: FakeEnvironmentService
) -> None:
    orphan = OrphanedResource("database", NASTY, "local", "shop-x", "its stack is gone", "eph sweep")
    desk.audit_result = AuditResult((orphan,), ("kubernetes: no answer",), {"databases": 3})
    text = admin.get("/audit").text
    assert all(part in text for part in ("its stack is gone", "eph sweep", "kubernetes: no answer"))
    assert NASTY not in text
    assert as_role("viewer").get("/audit").status_code == 403
    assert 'id="token"' in as_role("nobody").get("/audit").text


def test_removed_environments_are_listed(admin: httpx.Client, desk: FakeEnvironmentService) -> None:
    desk.add_event("environment.destroyed", "It was merged.", "shop-gentle-stream-42", "grace")
    assert "It was merged." not in admin.get("/removed").text, "it exists"
    desk.views.clear()
    text = admin.get("/removed").text
    assert "It was merged." in text
    assert 'href="/e/eph-shop-9ix/pr-42"' in text


@pytest.mark.parametrize("existing", [set(), {"a/pr-1"}])
def test_the_last_destroy_counts(existing: set[str]) -> None:
    def event(kind: str, subject: str, minute: int) -> Event:
        return Event(kind, START + timedelta(minutes=minute), subject, f"at {minute}")

    log = [
        event("environment.destroyed", "a/pr-1", 1),
        event("environment.created", "a/pr-1", 2),
        event("environment.destroyed", "b/pr-2", 3),
        event("environment.destroyed", "a/pr-1", 4),
    ]
    found = [(item.name, item.message, item.events) for item in find_removed(log, existing)]
    assert found == [*([] if existing else [("a/pr-1", "at 4", 3)]), ("b/pr-2", "at 3", 1)]


def test_the_page_of_an_app_shows_versions_with_their_images(
    admin: httpx.Client, desk: FakeEnvironmentService
) -> None:  # M6
    digest = "sha256:" + "1" * 64
    images = {"web": f"registry.example.com/shop@{digest}", NASTY: "other"}
    label = replace(sample(42), key=keys.ref(1, RefKind.DEPLOY, "feat-x"), ref_name="feat-x", built_images=images)
    desk.put_environment(label)
    text = admin.get(f"/apps/{label.repository}").text
    assert f'title="registry.example.com/shop@{digest}"' in text
    assert NASTY not in text
