"""What people are shown beside the comment, against what there is: the API's phases, checks and deployments."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from tests.chaos.outcomes import Problem
from tests.chaos.site import ChaosSite

CHECK = "eph/preview"
PullSnapshot = tuple[str, dict[str, Any]]
"""A repository's name of now, and a pull request of it as the Git host tells it."""
_INACTIVE_STATES = ("inactive", "")


@dataclass(frozen=True, slots=True)
class DesiredEnvironment:
    """A pull request that should have an environment, by what the Git host says of it."""

    repository: str
    number: int
    commit: str
    stack: str


def problems(
    site: ChaosSite, pulls: list[PullSnapshot], desired: list[DesiredEnvironment], names_by_stack: Mapping[str, str]
) -> Iterator[Problem]:
    yield from _api_problems(site, desired)
    if site.saw_refusal:  # who is refused a check or a deployment leaves it alone for up to an hour (surfaces.reporter)
        return
    yield from _check_problems(site, desired)
    if len(names_by_stack) == len(desired):
        for repository in sorted({name for name, _ in pulls}):
            yield from _deployment_problems(site, repository, {names_by_stack[one.stack]: one for one in desired})


def _api_problems(site: ChaosSite, desired: list[DesiredEnvironment]) -> Iterator[Problem]:
    try:
        listed = site.api("environments")["items"]
    except (httpx.HTTPError, OSError) as error:
        yield Problem("stuck", f"the API does not answer: {type(error).__name__}: {error}")
        return
    items = {(item["repository"], item["number"]): item for item in listed if item["ref_type"] == "pr"}
    for one in desired:
        item = items.pop((one.repository, one.number), None)
        shown = (item["phase"], item["commit"]) if item else ("nothing", "")
        if shown != ("ready", one.commit):
            yield Problem("stuck", f"{one.repository}#{one.number}: the API says {shown[0]} at {shown[1][:7]}")
    for (repository, number), item in items.items():
        if item["phase"] not in ("refused", "expired"):
            yield Problem("stuck", f"{repository}#{number} wants none, and the API says {item['phase']}")


def _check_problems(site: ChaosSite, desired: list[DesiredEnvironment]) -> Iterator[Problem]:
    """A commit has one check; where two pull requests share it, one that is over must not cover one that is ready."""
    for one in desired:
        said = site.forge.checks(one.repository, one.commit).get(CHECK, "nothing")
        if said != "success":
            yield Problem("stuck", f"{one.repository}#{one.number} is ready, and its check says {said}")


def _deployment_problems(
    site: ChaosSite, repository: str, living: Mapping[str, DesiredEnvironment]
) -> Iterator[Problem]:
    """By environment the newest counts; of what is gone none may say that it is there."""
    newest = {item["environment"]: item for item in site.forge.deployments(repository)}
    for name, item in newest.items():
        one = living.get(name)
        if one is None and item["state"] not in _INACTIVE_STATES:
            yield Problem("stuck", f"{name} is gone, and its deployment in {repository} says {item['state']}")
    for name, one in living.items():
        item = newest.get(name, {"sha": "", "state": "nothing"})
        if one.repository == repository and (item["sha"], item["state"]) != (one.commit, "success"):
            yield Problem("stuck", f"{name} is ready at {one.commit[:7]}, and its deployment says {item['state']}")


def untrue_reports(site: ChaosSite) -> list[str]:
    found = []
    with contextlib.suppress(httpx.HTTPError, OSError):
        for item in site.api("environments")["items"]:
            if item["phase"] != "ready":
                continue
            status, text = site.page(item["host"])
            if status != 200 or commit_in_page(text) != item["commit"]:
                found.append(f"{item['ref']} is shown as ready at {item['commit'][:7]}, and does not answer so")
    return found


def commit_in_page(text: str) -> str:
    with contextlib.suppress(ValueError, AttributeError):
        return str(json.loads(text).get("commit", ""))
    return ""
