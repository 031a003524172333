"""The settings of ``create_app``: tokens, limits, and the webhook."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from prometheus_client import CollectorRegistry

from orchestrator.auth.identities import Role
from orchestrator.auth.sharing.share_link_service import ShareLinkService
from orchestrator.auth.sign_in.people import PeopleSignIn
from orchestrator.auth.token_service import TokenService
from orchestrator.auth.tokens import Token
from orchestrator.config.settings.shown_settings import ShownSetting
from orchestrator.forges.registry import DEFAULT as DEFAULT_FORGE
from orchestrator.forges.webhooks import WebhookRequest
from orchestrator.service.port import WebhookTestResult

WebhookHandler = Callable[[WebhookRequest], bool]
"""Returns whether the signature was valid (and a cycle was triggered)."""


def webhook_path(forge: str) -> str:
    """The path for webhooks. ``forge`` is the adapter's name."""
    return f"/api/v1/webhooks/{forge}"


def _utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class PreviewAccess:
    """``key`` is shared with the gateway. ``url`` returns the URL of a preview's host. ``share_links`` None: previews
    can't be shared."""

    key: bytes
    url: Callable[[str], str]
    dashboard_url: str = ""
    share_links: ShareLinkService | None = None


@dataclass(frozen=True, slots=True)
class ApiSettings:
    """``session_key`` signs browser sessions: use the same one for all replicas and across restarts, or people have to
    sign in again. ``forge``: the Git host's adapter, whose webhooks are accepted. ``webhook`` None: webhooks are
    disabled, and the Git host is read every interval. ``tokens`` always count; ``token_service`` has those that people
    create. ``sign_in`` None: there is no identity provider."""

    version: str
    tokens: tuple[Token, ...] = ()
    token_service: TokenService | None = None
    sign_in: PeopleSignIn | None = None
    previews: PreviewAccess | None = None
    """None: people can't sign in to previews."""
    measurements: CollectorRegistry = field(default_factory=CollectorRegistry)
    """What /metrics adds to what the service says: durations and failures."""
    shown_settings: tuple[ShownSetting, ...] = ()
    """For the dashboard's page."""
    public_reads: bool = False
    forge: str = DEFAULT_FORGE
    webhook: WebhookHandler | None = None
    webhook_test: Callable[[], Awaitable[WebhookTestResult]] | None = None
    session_key: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    session_ttl: timedelta = timedelta(hours=12)
    ready_within: timedelta = timedelta(seconds=120)
    """/readyz fails if the last cycle is older than this."""
    body_limit: int = 64 * 1024
    webhook_limit: int = 1024 * 1024
    """Git hosts send more, but what triggers a cycle is far smaller. A rejected webhook costs only latency."""
    upload_limit: int = 64 * 1024 * 1024
    exec_role: Role | None = Role.DEVELOPER
    """The role that running commands in environments requires. None: it isn't allowed."""
    stream_limit: int = 100
    stream_poll: float = 1.0
    clock: Callable[[], datetime] = _utc_now
