"""Which path leads to which function. Paths below a repository exist by its name and by its id."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.routing import Route

from orchestrator.forge.sandbox.api import apps, graph, pulls, reports, repositories
from orchestrator.forge.sandbox.api.way import ApiResponse, Call, Endpoint, RequestHandler

REPOSITORY_ROUTES: Mapping[str, Mapping[str, Endpoint]] = {
    "": {"GET": repositories.repository},
    "/collaborators/{login}/permission": {"GET": repositories.permission},
    "/contents": {"GET": repositories.content},
    "/contents/{path:path}": {"GET": repositories.content, "PUT": repositories.put_content},
    "/branches": {"GET": repositories.branches},
    "/branches/{branch:path}": {"GET": repositories.branch},
    "/commits": {"GET": repositories.commits},
    "/commits/{sha}/status": {"GET": reports.combined_status},
    "/commits/{sha}/statuses": {"GET": reports.statuses},
    "/commits/{sha}/check-runs": {"GET": reports.checks},
    "/commits/{sha:path}": {"GET": repositories.commit},
    "/statuses/{sha}": {"GET": reports.statuses, "POST": reports.create_status},
    "/git/commits/{sha}": {"GET": repositories.git_commit},
    "/git/trees/{sha}": {"GET": repositories.git_tree},
    "/git/blobs/{sha}": {"GET": repositories.git_blob},
    "/git/ref/{ref:path}": {"GET": repositories.ref},
    "/git/matching-refs/{ref:path}": {"GET": repositories.matching_refs},
    "/git/tags": {"POST": repositories.create_tag},
    "/git/tags/{sha}": {"GET": repositories.tag},
    "/git/refs": {"POST": repositories.create_ref},
    "/git/refs/{ref:path}": {
        "GET": repositories.ref,
        "PATCH": repositories.change_ref,
        "DELETE": repositories.delete_ref,
    },
    "/hooks": {"GET": repositories.hooks, "POST": repositories.create_hook},
    "/hooks/{number:int}": {
        "GET": repositories.hook,
        "PATCH": repositories.change_hook,
        "DELETE": repositories.delete_hook,
    },
    "/pulls": {"GET": pulls.listing, "POST": pulls.create},
    "/pulls/{number:int}": {"GET": pulls.one, "PATCH": pulls.change},
    "/pulls/{number:int}/merge": {"PUT": pulls.merge},
    "/pulls/{number:int}/files": {"GET": pulls.files},
    "/labels": {"GET": pulls.repository_labels},
    "/issues/{number:int}": {"GET": pulls.issue, "PATCH": pulls.change},
    "/issues/{number:int}/labels": {"GET": pulls.labels, "POST": pulls.add_labels, "PUT": pulls.set_labels},
    "/issues/{number:int}/labels/{label:path}": {"DELETE": pulls.remove_label},
    "/issues/{number:int}/comments": {"GET": pulls.comments, "POST": pulls.create_comment},
    "/issues/comments": {"GET": pulls.all_comments},
    "/issues/comments/{number:int}/reactions": {"GET": pulls.reactions, "POST": pulls.create_reaction},
    "/issues/comments/{number:int}": {
        "GET": pulls.comment,
        "PATCH": pulls.change_comment,
        "DELETE": pulls.delete_comment,
    },
    "/check-runs": {"POST": reports.create_check},
    "/check-runs/{number:int}": {"GET": reports.check, "PATCH": reports.change_check},
    "/deployments": {"GET": reports.deployments, "POST": reports.create_deployment},
    "/deployments/{number:int}": {"GET": reports.deployment, "DELETE": reports.delete_deployment},
    "/deployments/{number:int}/statuses": {
        "GET": reports.deployment_statuses,
        "POST": reports.create_deployment_status,
    },
    "/environments": {"GET": reports.environments},
    "/environments/{environment:path}": {"DELETE": reports.delete_environment},
}


def routes(handler: RequestHandler) -> list[Route]:
    def rate_limit(call: Call) -> ApiResponse:
        core = handler.quota.usage(call.caller.quota_key)
        return ApiResponse({"resources": {"core": core}, "rate": core})

    found = [
        *handler.route("/user", "GET", repositories.me),
        *handler.route("/user/repos", "GET", repositories.my_repositories),
        *handler.route("/app", "GET", apps.me),
        *handler.route("/app/installations", "GET", apps.installations),
        *handler.route("/app/installations/{number:int}", "GET", apps.installation),
        *handler.route("/app/installations/{number:int}/access_tokens", "POST", apps.access_token),
        *handler.route("/installation/repositories", "GET", apps.repositories),
        *handler.route("/graphql", "POST", graph.query, prefixes=("/api", "")),
        *handler.route("/users/{login}", "GET", repositories.user),
        *handler.route("/rate_limit", "GET", rate_limit),
    ]
    for path, methods in REPOSITORY_ROUTES.items():
        for method, endpoint in methods.items():
            found += handler.route(f"/repos/{{owner}}/{{name}}{path}", method, endpoint)
            found += handler.route(f"/repositories/{{repository:int}}{path}", method, endpoint)
    for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
        found.append(handler.route("/{path:path}", method, pulls.unknown_path)[0])
    return found
