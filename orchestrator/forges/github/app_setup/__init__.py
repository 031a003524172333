"""Creates a GitHub App by GitHub's manifest flow, and writes what Eph needs of it: settings, key and webhook secret."""

from __future__ import annotations

from functools import partial

from orchestrator.forges.app_setup import SetupFailed, SetupRequest, SetupResult, ShowPage
from orchestrator.forges.github.app_setup import manifest, wording
from orchestrator.forges.github.app_setup.app_files import AppFiles
from orchestrator.forges.github.app_setup.callback_server import CallbackServer
from orchestrator.forges.github.app_setup.conversion import convert
from orchestrator.forges.github.app_setup.manifest import DEFAULT_API_URL, AppRequest


def set_up(asked: SetupRequest, show: ShowPage) -> SetupResult:
    """Raises SetupFailed. What would be overwritten is found before the App is created."""
    request = manifest.read(asked)
    files = AppFiles(asked.folder)
    files.check()
    created = convert(request.api_url, _confirmed(request, asked, show))
    forge: dict[str, str | tuple[str, ...]] = {}
    if request.api_url != DEFAULT_API_URL:
        forge["url"] = request.api_url
    if request.webhook_url:
        forge["webhook_url"] = request.webhook_url
    forge |= {"repositories": asked.repositories} if asked.repositories else {"organisations": (created.owner,)}
    written = files.write(created, forge)
    served = ", ".join(asked.repositories)
    next_step = wording.serves_repositories(served) if served else wording.serves(created.owner)
    lines = (wording.created(created.slug), wording.install(created.install_url), next_step)
    return SetupResult(tuple(written), lines)


def _confirmed(request: AppRequest, asked: SetupRequest, show: ShowPage) -> str:
    """The code that GitHub returns after the person confirmed the App."""
    try:
        server = CallbackServer(asked.port, request.new_app_url, partial(manifest.build, request))
    except OSError as error:
        raise SetupFailed(wording.port_taken(asked.port, error.strerror or ""), wording.FREE_PORT) from error
    with server:
        show(server.url, server.server_address[1])
        code = server.wait(asked.seconds)
    if not code:
        raise SetupFailed(wording.not_created(asked.seconds), wording.OPEN_AGAIN)
    return code
