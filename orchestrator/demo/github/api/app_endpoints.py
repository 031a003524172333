"""The paths of Apps: who one is, where it is installed, tokens, and what an installation is shown."""

from __future__ import annotations

from orchestrator.demo.github.api.http import ApiResponse, Call, paged
from orchestrator.demo.github.state import github_apps, serializers
from orchestrator.demo.github.state.document_store import Document
from orchestrator.demo.github.state.hub import GitHubApiError, not_found


def me(call: Call) -> ApiResponse:
    app = call.hub.store.get("app", _require_app(call))
    return ApiResponse({"id": app["id"], "slug": app["slug"], "name": app["slug"]} if app else {})


def installations(call: Call) -> ApiResponse:
    return paged(
        call, [_installation_shape(call, doc) for doc in github_apps.installations_of(call.hub, _require_app(call))]
    )


def installation(call: Call) -> ApiResponse:
    return ApiResponse(_installation_shape(call, _own_installation(call)))


def access_token(call: Call) -> ApiResponse:
    return ApiResponse(github_apps.create_token(call.hub, _require_app(call), _own_installation(call)["id"]), 201)


def repositories(call: Call) -> ApiResponse:
    if not call.caller.installation:
        raise GitHubApiError(
            403, "You must authenticate with an installation access token in order to list repositories."
        )
    account = github_apps.get_installation(call.hub, call.caller.installation)["account"].lower()
    mine = [repo for repo in call.hub.repositories() if repo["owner"].lower() == account]
    return paged(call, [serializers.listed_repository(call.hub, repo) for repo in mine], "repositories")


def _require_app(call: Call) -> int:
    if not call.caller.app:
        raise GitHubApiError(401, "A JSON web token could not be decoded")
    return call.caller.app


def _own_installation(call: Call) -> Document:
    found = github_apps.get_installation(call.hub, int(call.params["number"]))
    if found["app"] != _require_app(call):
        raise not_found()
    return found


def _installation_shape(call: Call, doc: Document) -> Document:
    account = {**serializers.user(call.hub, doc["account"]), "login": doc["account"]}
    page = f"{call.hub.base_url}/settings/installations/{doc['id']}"
    shape = {"id": doc["id"], "account": account, "app_id": doc["app"], "html_url": page}
    return {**shape, "repository_selection": "all", "suspended_at": doc["suspended_at"], "permissions": {}}
