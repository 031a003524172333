"""Statuses, check runs and deployments of a commit."""

from __future__ import annotations

from orchestrator.forge.sandbox import reports, shapes
from orchestrator.forge.sandbox.api.way import Answer, Call, paged


def create_status(call: Call) -> Answer:
    repo = call.repo("write")
    made = reports.status(call.hub, repo, call.params["sha"], call.login, call.said())
    return Answer(shapes.status(call.hub, repo, made), 201)


def statuses(call: Call) -> Answer:
    repo = call.repo()
    found = reports.statuses(call.hub, repo, call.params["sha"])
    return paged(call, [shapes.status(call.hub, repo, doc) for doc in found])


def combined_status(call: Call) -> Answer:
    repo = call.repo()
    sha = reports.commit_of(call.hub, repo, call.params["sha"])
    found = reports.latest_statuses(call.hub, repo, sha)
    page = paged(call, [shapes.status(call.hub, repo, doc) for doc in found], "statuses")
    data = {**page.data, "state": reports.combined(found), "sha": sha}
    return Answer({**data, "repository": shapes.repository(call.hub, repo)}, headers=page.headers)


def create_check(call: Call) -> Answer:
    repo = call.repo("write")
    return Answer(
        shapes.check_run(call.hub, repo, reports.check_run(call.hub, repo, call.login, call.said())), 201
    )  # fmt: skip


def check(call: Call) -> Answer:
    repo = call.repo()
    return Answer(shapes.check_run(call.hub, repo, reports.own(call.hub, repo, "check", call.params["number"])))


def change_check(call: Call) -> Answer:
    repo = call.repo("write")
    doc = reports.own(call.hub, repo, "check", call.params["number"])
    return Answer(shapes.check_run(call.hub, repo, reports.edit_check_run(call.hub, repo, doc, call.said())))


def checks(call: Call) -> Answer:
    repo = call.repo()
    found = reports.check_runs(call.hub, repo, call.params["sha"], call.query.get("filter", "latest") == "latest")
    wanted = [doc for doc in found if call.query.get("check_name") in (None, doc["name"])]
    return paged(call, [shapes.check_run(call.hub, repo, doc) for doc in wanted], "check_runs")


def create_deployment(call: Call) -> Answer:
    repo = call.repo("write")
    made = reports.deployment(call.hub, repo, call.login, call.said())
    return Answer(shapes.deployment(call.hub, repo, made), 201)


def deployments(call: Call) -> Answer:
    repo = call.repo()
    found = [
        doc
        for doc in reports.deployments(call.hub, repo)
        if all(call.query.get(key) in (None, doc[key]) for key in ("sha", "ref", "environment"))
    ]
    return paged(call, [shapes.deployment(call.hub, repo, doc) for doc in found])


def deployment(call: Call) -> Answer:
    repo = call.repo()
    doc = reports.own(call.hub, repo, "deployment", call.params["number"])
    return Answer(shapes.deployment(call.hub, repo, doc))


def delete_deployment(call: Call) -> Answer:
    repo = call.repo("write")
    reports.remove_deployment(call.hub, repo, reports.own(call.hub, repo, "deployment", call.params["number"]))
    return Answer(None, 204)


def create_deployment_status(call: Call) -> Answer:
    repo = call.repo("write")
    parent = reports.own(call.hub, repo, "deployment", call.params["number"])
    made = reports.deployment_status(call.hub, repo, parent, call.login, call.said())
    return Answer(shapes.deployment_status(call.hub, repo, made), 201)


def deployment_statuses(call: Call) -> Answer:
    repo = call.repo()
    parent = reports.own(call.hub, repo, "deployment", call.params["number"])
    found = reports.deployment_statuses(call.hub, repo, parent)
    return paged(call, [shapes.deployment_status(call.hub, repo, doc) for doc in found])


def environments(call: Call) -> Answer:
    repo = call.repo()
    found = call.hub.store.find("environment", repo["id"])
    return paged(call, [{"id": doc["id"], "name": doc["name"]} for doc in found], "environments")


def delete_environment(call: Call) -> Answer:
    repo = call.repo("admin")
    reports.remove_environment(call.hub, repo, call.params["environment"])
    return Answer(None, 204)
