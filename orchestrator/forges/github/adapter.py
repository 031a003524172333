"""The GitHub adapter for the registry. PyGithub is imported when connecting, not when settings are read."""

from __future__ import annotations

from orchestrator.forges.accounts import ForgeAccounts
from orchestrator.forges.app_setup import SetupRequest, SetupResult, ShowPage
from orchestrator.forges.github.settings import GitHubSettings
from orchestrator.forges.github.webhooks.webhook_events import GitHubWebhooks
from orchestrator.forges.port import Forge
from orchestrator.forges.registry import ConnectionContext, ForgeAdapter


def connect(settings: GitHubSettings, context: ConnectionContext) -> Forge:
    from orchestrator.forges.github.github_forge import AppKey, GitHubForge, GitHubOptions
    from orchestrator.forges.github.http.disk_cache import DiskCache

    app = AppKey(settings.app_id, settings.read_secret("private_key")) if settings.app_id else None
    options = GitHubOptions(
        organisations=settings.organisations,
        poll_seconds=context.poll_seconds,
        clone_url=settings.clone_url,
        discovery_seconds=settings.discovery_seconds,
        cache=DiskCache(context.cache_file),
    )
    return GitHubForge(settings.url, app or settings.read_secret("token"), settings.repositories, options=options)


def accounts(settings: GitHubSettings) -> ForgeAccounts:
    from orchestrator.forges.github.accounts import GitHubAccounts

    return GitHubAccounts(settings)


def set_up(asked: SetupRequest, show: ShowPage) -> SetupResult:
    from orchestrator.forges.github import app_setup

    return app_setup.set_up(asked, show)


ADAPTER = ForgeAdapter(GitHubSettings, connect, GitHubWebhooks(), accounts, set_up)
