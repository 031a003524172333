"""The API of a System, with the settings' tokens and webhook."""

from __future__ import annotations

from orchestrator.app.system import System
from orchestrator.auth.identities import Role, Token
from orchestrator.auth.local_token import local_token
from orchestrator.config import server_keys
from orchestrator.config.settings.server_settings import ServerSettings
from orchestrator.service.webhook_receiver import open_receiver
from orchestrator.surfaces.api.api_settings import ApiSettings, webhook_path
from orchestrator.surfaces.api.app import create_app
from orchestrator.surfaces.leader_proxy import App


def create_api(settings: ServerSettings, system: System) -> App:
    ports, path = system.ports, webhook_path(settings.forge.kind)
    webhook = open_receiver(settings, path, ports.forge, ports.wakeups, system.journal, ports.clock)
    token = local_token(settings.shared_dir)
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
