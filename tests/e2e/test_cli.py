"""The real ``eph`` with the real service, as a person uses it (P5)."""

from __future__ import annotations

import json
from datetime import datetime, timedelta

import pytest

from tests.e2e.previews import Preview
from tests.e2e.site import LABEL, REPOSITORY, Site, wait_until

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def preview(site: Site) -> Preview:
    return site.preview("one")


def run_eph(site: Site, *words: str) -> str:
    done = site.eph(*words)
    assert done.returncode == 0, (words, done.stdout, done.stderr)
    return done.stdout


def not_running(site: Site, preview: Preview) -> str:
    """A service responds before supervisord, which waits for two seconds, reports it as running."""
    got = json.loads(run_eph(site, "get", preview.name, "--output", "json"))
    states = [process["state"] for process in got["processes"]]
    return "" if states == ["running"] else f"its processes are {states}"


def test_list_and_get_find_it_by_every_name(site: Site, preview: Preview) -> None:
    assert preview.name in run_eph(site, "list")
    [listed] = json.loads(run_eph(site, "list", "--output", "json"))
    assert (listed["phase"], listed["number"], listed["commit"]) == ("ready", preview.number, preview.commit)
    url = f"http://{preview.host}:{site.gateway_port}"
    for name in (preview.name, preview.name[:-4], f"{REPOSITORY}#{preview.number}", str(preview.number), url):
        got = json.loads(run_eph(site, "get", name, "--output", "json"))
        told_later = {"used_at", "reasons"}  # the gateway reports the fixture's visit within a second
        assert {key: got[key] for key in listed if key not in told_later} == {
            key: value for key, value in listed.items() if key not in told_later
        }
    wait_until("its process runs", lambda: not_running(site, preview))
    assert run_eph(site, "open", preview.name).strip() == url


def test_why_shows_the_facts(site: Site, preview: Preview) -> None:
    told = run_eph(site, "why", preview.name)
    assert f"{REPOSITORY}#{preview.number} is open and has the label {LABEL}" in told
    assert f"commit {preview.commit[:7]} is deployed" in told


def test_logs_of_the_services_and_of_the_last_operation(site: Site, preview: Preview) -> None:
    site.wait_for_log(preview.name, f"serving {preview.commit}")
    assert "service-web created" in run_eph(site, "logs", preview.name, "--operation")
    assert "Resources:" in run_eph(site, "logs", preview.name, "--operation", "--lines", "8")


def test_steps_of_the_build_have_names_for_people_durations_and_output(site: Site, preview: Preview) -> None:
    """P1, P5: on the real components: each command's output, from the checkout to the health check."""
    found = json.loads(run_eph(site, "steps", preview.name, "--output", "json"))
    assert preview.commit.startswith(found["commit"])
    states = {item["step"]: item["state"] for item in found["steps"]}
    expected = ("Checkout", "Build", "Database main", "Seed main", "Start web", "Health check web")
    assert {name: states.get(name) for name in expected} == dict.fromkeys(expected, "succeeded")
    assert all(item["seconds"] >= 0 for item in found["steps"])
    lines = run_eph(site, "logs", preview.name, "--lines", "5000").splitlines()
    assert any(line.startswith("Build | ") for line in lines)
    assert lines.index(next(line for line in lines if "serving" in line)) > lines.index(
        next(line for line in lines if line.startswith("Build | "))
    ), "the services' output follows"


def test_doctor_finds_the_server_and_the_tools(site: Site, preview: Preview) -> None:
    told = run_eph(site, "doctor")
    assert f"127.0.0.1:{site.api_port} responds" in told
    assert "Pulumi" in told


@pytest.mark.long
@pytest.mark.exhaustive
def test_extend_postpones_the_expiry(site: Site, preview: Preview) -> None:
    """L5: the tag contains it, so a restart forgets nothing; the pull request shows it."""
    before = datetime.fromisoformat(json.loads(run_eph(site, "get", preview.name, "-o", "json"))["expires_at"])
    run_eph(site, "extend", preview.name, "24h")

    def later() -> str:
        now = datetime.fromisoformat(json.loads(run_eph(site, "get", preview.name, "-o", "json"))["expires_at"])
        return "" if now - before >= timedelta(hours=24) - timedelta(seconds=1) else f"{before} → {now}"

    wait_until("it expires later", later)
    site.wait_for_comment(preview.number, f"Expires {before + timedelta(hours=24):%Y-%m-%d %H:%M}")


@pytest.mark.long
def test_up_retries_a_failed_environment_immediately(site: Site, preview: Preview) -> None:
    """L5: the build fails as long as a file outside says so; no push is necessary."""
    broken = 'test -e "$HOME/mended" || { echo "not yet" >&2; exit 1; }\n'
    number, sha = site.open_pull("retried", {"build.sh": broken})
    site.wait_for_comment(number, "Failed", "not yet", sha[:7])
    name = json.loads(run_eph(site, "get", str(number), "-o", "json"))["name"]
    done = site.eph("up", name, "--wait", "--timeout", "60s")
    assert done.returncode == 1, done.stderr
    assert "failed" in done.stderr
    [home] = (site.eph_home / "local" / "envs" / name).glob("home")
    (home / "mended").touch()
    run_eph(site, "up", name, "--wait", "--timeout", "60s")
    site.wait_for_preview("retried", number, sha)


def test_sweep_finds_nothing_if_all_is_well(site: Site, preview: Preview) -> None:
    """L7"""
    assert "no orphans found" in run_eph(site, "sweep", "--dry-run")


def test_errors_have_a_sentence_a_hint_and_an_exit_code(site: Site, preview: Preview) -> None:
    missing = site.eph("get", "no-such-one")
    assert (missing.returncode, missing.stdout) == (4, "")
    assert "no-such-one" in missing.stderr
    unasked = site.eph("down", preview.name)
    assert unasked.returncode == 2
    assert "--yes" in unasked.stderr
    assert site.page(preview.host).status == 200
    assert site.eph("extend", preview.name, "soon").returncode == 2
    assert site.eph("nonsense").returncode == 2


@pytest.mark.long
def test_down_removes_the_label_and_everything_else(site: Site) -> None:
    """L5: a label that stayed would only recreate it."""
    preview = site.preview("unwanted")
    run_eph(site, "up", preview.name)
    run_eph(site, "extend", preview.name, "1h")
    assert "is destroyed" in run_eph(site, "down", preview.name, "--yes", "--wait", "--timeout", "60s")
    assert site.forge.pull(REPOSITORY, preview.number)["labels"] == []
    site.wait_for_comment(preview.number, "Destroyed")
    site.wait_until_gone(preview)
    assert site.stack_files(preview.number) == []
    assert site.page(preview.host).status == 404
    assert site.eph("get", preview.name).returncode == 4


@pytest.mark.long
def test_missing_server_is_reported_immediately(site: Site, preview: Preview) -> None:
    """Last, because it stops the service; what is running stays, and the next process finds it."""
    assert site.stop() == 0
    done = site.eph("list")
    assert done.returncode == 5, done
    assert "ephd" in done.stderr
    assert site.page(preview.host).data["commit"] == preview.commit
    site.start()
    wait_until("it is listed again", lambda: "" if preview.name in site.eph("list").stdout else "not yet")
