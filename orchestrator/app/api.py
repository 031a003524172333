"""The API of a System, with the settings' tokens and webhook."""

from __future__ import annotations

from orchestrator.app.system import System
from orchestrator.auth.identities import Role, Token
from orchestrator.auth.local_token import local_token
from orchestrator.config import server_keys
from orchestrator.config.settings.server_settings import ServerSettings
from orchestrator.forges import registry as forge_registry
from orchestrator.forges.webhooks import ReportsWebhooks, WebhookStatus
from orchestrator.service.webhook_receiver import WebhookEndpoint, WebhookReceiver
from orchestrator.surfaces.api.api_settings import ApiSettings, webhook_path
from orchestrator.surfaces.api.app import create_app
from orchestrator.surfaces.leader_proxy import App


def create_api(settings: ServerSettings, system: System) -> App:
    token, webhook = local_token(settings.shared_dir), _webhook_receiver(settings, system)
    return create_app(
        system.service,
        ApiSettings(
            version=system.options.version,
            tokens=(Token.from_secret(token, "local", Role.ADMIN),),
            forge=settings.forge.kind,
            webhook=webhook.receive if webhook else None,
            webhook_test=webhook.test if webhook else None,
            session_key=server_keys.server_key(settings.keys_dir),
        ),
    )


def _webhook_receiver(settings: ServerSettings, system: System) -> WebhookReceiver | None:
    parser = forge_registry.get(settings.forge.kind).webhooks
    secret = settings.forge.read_webhook_secret().encode()
    if not secret or parser is None:
        return None
    forge = system.ports.forge
    endpoint = WebhookEndpoint(
        secret=secret,
        path=webhook_path(settings.forge.kind),
        listen_address=settings.listen,
        public_url=settings.forge.webhook_url,
        status=forge.webhook_status if isinstance(forge, ReportsWebhooks) else WebhookStatus,
        host=forge.words.host,
    )
    return WebhookReceiver(endpoint, parser, system.ports.wakeups, system.journal, system.ports.clock)
