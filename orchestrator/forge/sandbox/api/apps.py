"""The paths of Apps: who one is, where it is installed, tokens, and what an installation is shown."""

from __future__ import annotations

from orchestrator.forge.sandbox import apps, shapes
from orchestrator.forge.sandbox.api.way import Answer, Call, paged
from orchestrator.forge.sandbox.hub import Refusal, not_found
from orchestrator.forge.sandbox.store import Doc


def me(call: Call) -> Answer:
    app = call.hub.store.get("app", _app(call))
    return Answer({"id": app["id"], "slug": app["slug"], "name": app["slug"]} if app else {})


def installations(call: Call) -> Answer:
    return paged(call, [_shape(call, doc) for doc in apps.all_of(call.hub, _app(call))])


def installation(call: Call) -> Answer:
    return Answer(_shape(call, _own(call)))


def access_token(call: Call) -> Answer:
    return Answer(apps.buy(call.hub, _app(call), _own(call)["id"]), 201)


def repositories(call: Call) -> Answer:
    if not call.caller.installation:
        raise Refusal(403, "You must authenticate with an installation access token in order to list repositories.")
    account = apps.one(call.hub, call.caller.installation)["account"].lower()
    mine = [repo for repo in call.hub.repositories() if repo["owner"].lower() == account]
    return paged(call, [shapes.listed(call.hub, repo) for repo in mine], "repositories")


def _app(call: Call) -> int:
    if not call.caller.app:
        raise Refusal(401, "A JSON web token could not be decoded")
    return call.caller.app


def _own(call: Call) -> Doc:
    found = apps.one(call.hub, int(call.params["number"]))
    if found["app"] != _app(call):
        raise not_found()
    return found


def _shape(call: Call, doc: Doc) -> Doc:
    account = {**shapes.user(call.hub, doc["account"]), "login": doc["account"]}
    page = f"{call.hub.base}/settings/installations/{doc['id']}"
    shape = {"id": doc["id"], "account": account, "app_id": doc["app"], "html_url": page}
    return {**shape, "repository_selection": "all", "suspended_at": doc["suspended_at"], "permissions": {}}
