"""The API of a System, with the settings' tokens, sign-in and webhook."""

from __future__ import annotations

from orchestrator.app.system import System
from orchestrator.auth import local_token, preview_grants
from orchestrator.auth.identities import Role
from orchestrator.auth.sharing import published_links
from orchestrator.auth.sharing.share_link_service import ShareLinkService
from orchestrator.auth.sharing.share_link_store import ShareLinkStore
from orchestrator.auth.sign_in.providers import open_sign_in
from orchestrator.auth.token_service import TokenService
from orchestrator.auth.token_store import TokenStore
from orchestrator.auth.tokens import Token
from orchestrator.config import server_keys
from orchestrator.config.settings import shown_settings
from orchestrator.config.settings.server_settings import ServerSettings
from orchestrator.service.webhook_receiver import open_receiver
from orchestrator.surfaces.api.api_settings import ApiSettings, PreviewAccess, webhook_path
from orchestrator.surfaces.api.app import create_app
from orchestrator.surfaces.leader_proxy import App


def create_api(settings: ServerSettings, system: System, store: TokenStore, links: ShareLinkStore) -> App:
    ports, path = system.ports, webhook_path(settings.forge.kind)
    webhook = open_receiver(settings, path, ports.forge, ports.wakeups, system.journal, ports.clock)
    token = local_token.local_token(settings.shared_dir)
    tokens = TokenService(store, ports.ledger.record, ports.clock)
    return create_app(
        system.service,
        ApiSettings(
            version=system.options.version,
            tokens=(Token.from_secret(token, local_token.OWNER, Role.ADMIN),),
            token_service=tokens,
            sign_in=open_sign_in(settings.auth, settings.forge, tokens),
            previews=_preview_access(settings, system, links),
            measurements=system.meter.registry,
            forge=settings.forge.kind,
            webhook=webhook.receive if webhook else None,
            webhook_test=webhook.test if webhook else None,
            exec_role=None if settings.exec.role == "none" else Role[settings.exec.role.upper()],
            upload_limit=settings.deploys.upload_bytes,
            shown_settings=shown_settings.effective(settings),
            session_key=server_keys.server_key(settings.keys_dir),
        ),
    )


def _preview_access(settings: ServerSettings, system: System, store: ShareLinkStore) -> PreviewAccess:
    ports = system.ports
    return PreviewAccess(
        preview_grants.preview_key(settings.keys_dir),
        lambda host: settings.url_template.format(host=host),
        settings.auth.url or settings.url_template.format(host=settings.domain),
        ShareLinkService(
            store, ports.ledger.record, lambda links: published_links.write(settings.gateway_dir, links), ports.clock
        ),
    )
