"""Which path leads to which function. Paths below a repository exist by its name and by its id."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.routing import Route

from orchestrator.demo.github.api import (
    app_endpoints,
    graphql_endpoint,
    pull_endpoints,
    report_endpoints,
    repository_endpoints,
)
from orchestrator.demo.github.api.http import ApiResponse, Call, Endpoint, RequestHandler

REPOSITORY_ROUTES: Mapping[str, Mapping[str, Endpoint]] = {
    "": {"GET": repository_endpoints.repository},
    "/collaborators/{login}/permission": {"GET": repository_endpoints.permission},
    "/contents": {"GET": repository_endpoints.content},
    "/contents/{path:path}": {"GET": repository_endpoints.content, "PUT": repository_endpoints.put_content},
    "/branches": {"GET": repository_endpoints.branches},
    "/branches/{branch:path}": {"GET": repository_endpoints.branch},
    "/commits": {"GET": repository_endpoints.commits},
    "/commits/{sha}/status": {"GET": report_endpoints.combined_status},
    "/commits/{sha}/statuses": {"GET": report_endpoints.statuses},
    "/commits/{sha}/check-runs": {"GET": report_endpoints.checks},
    "/commits/{sha:path}": {"GET": repository_endpoints.commit},
    "/statuses/{sha}": {"GET": report_endpoints.statuses, "POST": report_endpoints.create_status},
    "/git/commits/{sha}": {"GET": repository_endpoints.git_commit},
    "/git/trees/{sha}": {"GET": repository_endpoints.git_tree},
    "/git/blobs/{sha}": {"GET": repository_endpoints.git_blob},
    "/git/ref/{ref:path}": {"GET": repository_endpoints.ref},
    "/git/matching-refs/{ref:path}": {"GET": repository_endpoints.matching_refs},
    "/git/tags": {"POST": repository_endpoints.create_tag},
    "/git/tags/{sha}": {"GET": repository_endpoints.tag},
    "/git/refs": {"POST": repository_endpoints.create_ref},
    "/git/refs/{ref:path}": {
        "GET": repository_endpoints.ref,
        "PATCH": repository_endpoints.change_ref,
        "DELETE": repository_endpoints.delete_ref,
    },
    "/hooks": {"GET": repository_endpoints.hooks, "POST": repository_endpoints.create_hook},
    "/hooks/{number:int}": {
        "GET": repository_endpoints.hook,
        "PATCH": repository_endpoints.change_hook,
        "DELETE": repository_endpoints.delete_hook,
    },
    "/pulls": {"GET": pull_endpoints.listing, "POST": pull_endpoints.create},
    "/pulls/{number:int}": {"GET": pull_endpoints.one, "PATCH": pull_endpoints.change},
    "/pulls/{number:int}/merge": {"PUT": pull_endpoints.merge},
    "/pulls/{number:int}/files": {"GET": pull_endpoints.files},
    "/labels": {"GET": pull_endpoints.repository_labels},
    "/issues/{number:int}": {"GET": pull_endpoints.issue, "PATCH": pull_endpoints.change},
    "/issues/{number:int}/labels": {
        "GET": pull_endpoints.labels,
        "POST": pull_endpoints.add_labels,
        "PUT": pull_endpoints.set_labels,
    },
    "/issues/{number:int}/labels/{label:path}": {"DELETE": pull_endpoints.remove_label},
    "/issues/{number:int}/comments": {"GET": pull_endpoints.comments, "POST": pull_endpoints.create_comment},
    "/issues/comments": {"GET": pull_endpoints.all_comments},
    "/issues/comments/{number:int}/reactions": {
        "GET": pull_endpoints.reactions,
        "POST": pull_endpoints.create_reaction,
    },
    "/issues/comments/{number:int}": {
        "GET": pull_endpoints.comment,
        "PATCH": pull_endpoints.change_comment,
        "DELETE": pull_endpoints.delete_comment,
    },
    "/check-runs": {"POST": report_endpoints.create_check},
    "/check-runs/{number:int}": {"GET": report_endpoints.check, "PATCH": report_endpoints.change_check},
    "/deployments": {"GET": report_endpoints.deployments, "POST": report_endpoints.create_deployment},
    "/deployments/{number:int}": {"GET": report_endpoints.deployment, "DELETE": report_endpoints.delete_deployment},
    "/deployments/{number:int}/statuses": {
        "GET": report_endpoints.deployment_statuses,
        "POST": report_endpoints.create_deployment_status,
    },
    "/environments": {"GET": report_endpoints.environments},
    "/environments/{environment:path}": {"DELETE": report_endpoints.delete_environment},
}


def routes(handler: RequestHandler) -> list[Route]:
    def rate_limit(call: Call) -> ApiResponse:
        core = handler.quota.usage(call.caller.quota_key)
        return ApiResponse({"resources": {"core": core}, "rate": core})

    found = [
        *handler.route("/user", "GET", repository_endpoints.me),
        *handler.route("/user/repos", "GET", repository_endpoints.my_repositories),
        *handler.route("/app", "GET", app_endpoints.me),
        *handler.route("/app/installations", "GET", app_endpoints.installations),
        *handler.route("/app/installations/{number:int}", "GET", app_endpoints.installation),
        *handler.route("/app/installations/{number:int}/access_tokens", "POST", app_endpoints.access_token),
        *handler.route("/installation/repositories", "GET", app_endpoints.repositories),
        *handler.route("/graphql", "POST", graphql_endpoint.query, prefixes=("/api", "")),
        *handler.route("/users/{login}", "GET", repository_endpoints.user),
        *handler.route("/rate_limit", "GET", rate_limit),
    ]
    for path, methods in REPOSITORY_ROUTES.items():
        for method, endpoint in methods.items():
            found += handler.route(f"/repos/{{owner}}/{{name}}{path}", method, endpoint)
            found += handler.route(f"/repositories/{{repository:int}}{path}", method, endpoint)
    for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
        found.append(handler.route("/{path:path}", method, pull_endpoints.unknown_path)[0])
    return found
