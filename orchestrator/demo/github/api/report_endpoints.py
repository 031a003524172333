"""Statuses, check runs and deployments of a commit."""

from __future__ import annotations

from orchestrator.demo.github.api.http import ApiResponse, Call, paged
from orchestrator.demo.github.state import commit_reports, serializers


def create_status(call: Call) -> ApiResponse:
    repo = call.repo("write")
    made = commit_reports.status(call.hub, repo, call.params["sha"], call.login, call.json_object())
    return ApiResponse(serializers.status(call.hub, repo, made), 201)


def statuses(call: Call) -> ApiResponse:
    repo = call.repo()
    found = commit_reports.statuses(call.hub, repo, call.params["sha"])
    return paged(call, [serializers.status(call.hub, repo, doc) for doc in found])


def combined_status(call: Call) -> ApiResponse:
    repo = call.repo()
    sha = commit_reports.resolve_commit(call.hub, repo, call.params["sha"])
    found = commit_reports.latest_statuses(call.hub, repo, sha)
    page = paged(call, [serializers.status(call.hub, repo, doc) for doc in found], "statuses")
    data = {**page.data, "state": commit_reports.combined_state(found), "sha": sha}
    return ApiResponse({**data, "repository": serializers.repository(call.hub, repo)}, headers=page.headers)


def create_check(call: Call) -> ApiResponse:
    repo = call.repo("write")
    created = commit_reports.check_run(call.hub, repo, call.login, call.json_object())
    return ApiResponse(serializers.check_run(call.hub, repo, created), 201)


def check(call: Call) -> ApiResponse:
    repo = call.repo()
    return ApiResponse(
        serializers.check_run(call.hub, repo, commit_reports.get_owned(call.hub, repo, "check", call.params["number"]))
    )


def change_check(call: Call) -> ApiResponse:
    repo = call.repo("write")
    doc = commit_reports.get_owned(call.hub, repo, "check", call.params["number"])
    return ApiResponse(
        serializers.check_run(call.hub, repo, commit_reports.edit_check_run(call.hub, repo, doc, call.json_object()))
    )


def checks(call: Call) -> ApiResponse:
    repo = call.repo()
    found = commit_reports.check_runs(
        call.hub, repo, call.params["sha"], call.query.get("filter", "latest") == "latest"
    )
    wanted = [doc for doc in found if call.query.get("check_name") in (None, doc["name"])]
    return paged(call, [serializers.check_run(call.hub, repo, doc) for doc in wanted], "check_runs")


def create_deployment(call: Call) -> ApiResponse:
    repo = call.repo("write")
    made = commit_reports.deployment(call.hub, repo, call.login, call.json_object())
    return ApiResponse(serializers.deployment(call.hub, repo, made), 201)


def deployments(call: Call) -> ApiResponse:
    repo = call.repo()
    found = [
        doc
        for doc in commit_reports.deployments(call.hub, repo)
        if all(call.query.get(key) in (None, doc[key]) for key in ("sha", "ref", "environment"))
    ]
    return paged(call, [serializers.deployment(call.hub, repo, doc) for doc in found])


def deployment(call: Call) -> ApiResponse:
    repo = call.repo()
    doc = commit_reports.get_owned(call.hub, repo, "deployment", call.params["number"])
    return ApiResponse(serializers.deployment(call.hub, repo, doc))


def delete_deployment(call: Call) -> ApiResponse:
    repo = call.repo("write")
    commit_reports.remove_deployment(
        call.hub, repo, commit_reports.get_owned(call.hub, repo, "deployment", call.params["number"])
    )
    return ApiResponse(None, 204)


def create_deployment_status(call: Call) -> ApiResponse:
    repo = call.repo("write")
    parent = commit_reports.get_owned(call.hub, repo, "deployment", call.params["number"])
    made = commit_reports.deployment_status(call.hub, repo, parent, call.login, call.json_object())
    return ApiResponse(serializers.deployment_status(call.hub, repo, made), 201)


def deployment_statuses(call: Call) -> ApiResponse:
    repo = call.repo()
    parent = commit_reports.get_owned(call.hub, repo, "deployment", call.params["number"])
    found = commit_reports.deployment_statuses(call.hub, repo, parent)
    return paged(call, [serializers.deployment_status(call.hub, repo, doc) for doc in found])


def environments(call: Call) -> ApiResponse:
    repo = call.repo()
    found = call.hub.store.find("environment", repo["id"])
    return paged(call, [{"id": doc["id"], "name": doc["name"]} for doc in found], "environments")


def delete_environment(call: Call) -> ApiResponse:
    repo = call.repo("admin")
    commit_reports.remove_environment(call.hub, repo, call.params["environment"])
    return ApiResponse(None, 204)
