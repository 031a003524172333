"""Which URL a label deploy has and which it can't have, its limit, and two at once, with a real ephd, a real gateway
and `eph` (M1, M2, M3, M6, P5)."""

from __future__ import annotations

import contextlib
import json
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

import pytest

from programs.kit.database import environment_databases, postgres
from tests.e2e import site as sites
from tests.e2e.site import REPOSITORY, Site, shop_files, wait_until

pytestmark = [pytest.mark.real, pytest.mark.long, pytest.mark.timeout(600)]

ROUTE, WILDCARD, OTHER_APP = "shop.localhost", "previews.localhost", "beta.shop.localhost"
APP = f"app:\n  route: {ROUTE}\n"
LIMIT = 2
SETTINGS = f"""[deploys]
per_app = {LIMIT}
[deploys.routes]
"{ROUTE}" = "{REPOSITORY}"
"{OTHER_APP}" = "acme/beta"
"""
WATCHED = "triggers:\n  - type: branch\n    branches: [watched]\n"


def below(domain: str) -> str:
    return f"environment:\n  dns:\n    domain: {domain}\n"


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with sites.running_site(local=SETTINGS, domains=(ROUTE, WILDCARD)) as made:
        files = shop_files()
        for branch, section, text in (
            ("routed", APP, "1"),
            ("newer", APP, "2"),
            ("wildcard", below(WILDCARD), "3"),
            ("plain", "", "4"),
        ):
            made.forge.push(REPOSITORY, branch, {**files, "eph.yaml": files["eph.yaml"] + section, "text": text})

        def problem() -> str:
            found = made.eph("list")
            return "" if found.returncode == 0 else f"{found.stderr}{made.log_tail()}"

        wait_until("ephd is ready", problem, 90)
        yield made


def deploy(site: Site, *words: str) -> dict[str, Any]:
    done = site.eph("deploy", *words, "-o", "json")
    assert done.returncode == 0, f"{done.stdout}{done.stderr}{site.log_tail()}"
    return dict(json.loads(done.stdout))


def versions(site: Site, *options: str) -> list[dict[str, Any]]:
    return list(json.loads(site.eph("versions", *options, "-o", "json").stdout))


def labels(site: Site) -> list[str]:
    return sorted(item["label"] for item in versions(site, "--ephemeral"))


def stack_files(site: Site) -> list[str]:
    folder = site.eph_home / "backend" / ".pulumi" / "stacks"
    return sorted(path.stem for path in folder.glob("*/deploy-*.json"))


def destroy(site: Site, label: str) -> None:
    done = site.eph("down", f"{REPOSITORY}:{label}", "--yes", "--wait")
    assert done.returncode == 0, f"{done.stdout}{done.stderr}{site.log_tail()}"


@pytest.mark.parametrize(
    ("branch", "host"),
    [("routed", f"routed.{ROUTE}"), ("wildcard", f"*.{WILDCARD}"), ("plain", "*.localhost")],
    ids=["route", "wildcard", "no route"],
)
def test_the_url_is_printed_once(site: Site, branch: str, host: str) -> None:
    """M2, P5: with --wait, too, which reports the URL that it waits for."""
    done = site.eph("deploy", branch, "--ref", branch, "--wait")
    assert done.returncode == 0, f"{done.stdout}{done.stderr}{site.log_tail()}"
    [item] = [item for item in versions(site, "--ephemeral") if item["label"] == branch]
    assert done.stdout == f"{item['url']}\n"
    assert f"{done.stdout}{done.stderr}".count("://") == 1, done.stderr
    found = urlsplit(item["url"])
    assert found.port == site.gateway_port
    name, _, domain = str(found.hostname).partition(".")
    assert host == f"{name if host[0] != '*' else '*'}.{domain}"
    assert site.page(str(found.hostname)).data["commit"] == item["commit"]
    destroy(site, branch)


def test_a_normal_environment_below_a_wildcard_is_no_deploy_and_its_host_is_its_own(site: Site) -> None:
    """M2, M6: a branch's environment has a host below the app's route, like a label deploy."""
    files = shop_files()
    text = files["eph.yaml"].replace("triggers:\n", WATCHED)
    commit = site.forge.push(REPOSITORY, "watched", {**files, "eph.yaml": text + below(ROUTE)})
    site.forge.push(REPOSITORY, "main", {"eph.yaml": text})
    listed: list[dict[str, Any]] = []

    def missing() -> str:
        listed[:] = json.loads(site.eph("list", "-o", "json").stdout)
        return "" if [item["phase"] for item in listed] == ["ready"] else f"{listed}{site.log_tail()}"

    wait_until("the branch has an environment", missing, 120)
    name, host = listed[0]["name"], f"{listed[0]['name']}.{ROUTE}"
    assert (urlsplit(listed[0]["url"]).hostname, site.page(host).data["commit"]) == (host, commit)
    assert versions(site) == []
    for label, taken in ((name, host), ("beta", OTHER_APP)):
        refused = site.eph("deploy", label, "--ref", "routed")
        assert refused.returncode != 0
        assert taken in refused.stderr
    assert site.api("audit")["orphans"] == []
    assert (stack_files(site), site.page(host).data["commit"]) == ([], commit)


def test_two_deploys_of_one_label_at_once_leave_one(site: Site) -> None:
    """M3"""

    def run(branch: str) -> subprocess.CompletedProcess[str]:
        return site.eph("deploy", "twice", "--ref", branch, "-o", "json")

    with ThreadPoolExecutor(2) as pool:
        done = list(pool.map(run, ("routed", "newer")))
    codes = sorted(each.returncode for each in done)
    assert codes in ([0, 0], [0, 1]), f"{done}{site.log_tail()}"
    for each in done:
        assert each.returncode == 0 or "newer deploy" in each.stderr, each.stderr
    deployed = {json.loads(each.stdout)["commit"] for each in done if each.returncode == 0}
    wait_until("nothing is under way", lambda: str(site.api("status")["running"] or ""), 60)
    [live] = versions(site, "--ephemeral")
    assert live["label"] == "twice"
    assert live["commit"] in deployed
    assert len(stack_files(site)) == 1
    assert site.page(f"twice.{ROUTE}").data["commit"] == live["commit"]
    destroy(site, "twice")
    assert site.api("audit")["orphans"] == []


@contextlib.contextmanager
def undeletable_role(site: Site, environment: str) -> Iterator[str]:
    """A person granted a database's role a right outside of the environment, so PostgreSQL doesn't drop the role."""
    settings = site.target_settings
    owned = environment_databases.list_owned(settings)
    role = next(item.name for item in owned if item.kind == "ROLE" and item.environment == environment)
    with postgres.connect(settings) as session:
        postgres.execute(session, "GRANT CONNECT ON DATABASE postgres TO {}", role)
    try:
        yield role
    finally:
        with postgres.connect(settings) as session:
            postgres.execute(session, "REVOKE CONNECT ON DATABASE postgres FROM {}", role)


def _serves(site: Site, made: dict[str, Any]) -> bool:
    return bool(site.page(made["host"]).data.get("commit") == made["commit"])


@pytest.mark.exhaustive
def test_if_making_room_fails_the_deploy_fails(site: Site) -> None:
    """M3: nothing of the new one is left, and the old one is served again."""
    kept = deploy(site, "kept", "--ref", "routed", "--ttl", "3h", "--wait")
    oldest = deploy(site, "oldest", "--ref", "routed", "--ttl", "2h", "--wait")
    assert labels(site) == ["kept", "oldest"]
    before = stack_files(site)
    with undeletable_role(site, site.api(f"environments/{oldest['ref']}")["name"]) as role:
        failed = site.eph("deploy", "new", "--ref", "newer")
        assert failed.returncode == 1, f"{failed.stdout}{failed.stderr}{site.log_tail()}"
        assert "make room" in failed.stderr
        assert role in failed.stderr
        assert (labels(site), stack_files(site)) == (["kept", "oldest"], before)
        assert site.page(f"kept.{ROUTE}").data["commit"] == kept["commit"]
    wait_until("the old one is served again", lambda: "" if _serves(site, oldest) else site.log_tail(), 180)
    assert stack_files(site) == before
    made = deploy(site, "new", "--ref", "newer", "--wait")
    assert labels(site) == ["kept", "new"]
    for each, label in ((kept, "kept"), (made, "new")):
        assert site.page(f"{label}.{ROUTE}").data["commit"] == each["commit"]
        destroy(site, label)
    assert stack_files(site) == []
