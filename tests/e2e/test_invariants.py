"""What must be true of a whole Eph, seen by operators with Pulumi's own CLI, strangers at the gateway, a preview's
code, and readers of its output."""

from __future__ import annotations

import json
import math
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from programs.kit import routes
from programs.kit.database import environment_databases, postgres
from programs.kit.processes import process_table, program_files, supervisor
from programs.kit.routes import RouteRecord
from stacks import names
from stacks.word_lists import ADJECTIVES, NOUNS
from tests.e2e import site as sites
from tests.e2e.exposure import process_command_lines, readable_files
from tests.e2e.previews import Preview
from tests.e2e.site import CYCLE, LABEL, REPOSITORY, Site, wait_until
from tests.file_trees import all_files

pytestmark = [pytest.mark.real, pytest.mark.long, pytest.mark.timeout(300)]

LEAKY_YAML = (sites.SHOP / "eph.yaml").read_text() + "      migrate:\n        command: sh migrate.sh\n"


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    """A site that receives no webhooks."""
    with sites.running_site(webhooks=False) as made:
        yield made


@pytest.fixture(scope="module")
def previews(site: Site) -> list[Preview]:
    opened = [(branch, *site.open_pull(branch)) for branch in ("one", "two")]
    return [site.wait_for_preview(*item) for item in opened]


@pytest.fixture
def first(previews: list[Preview]) -> Preview:
    return previews[0]


@pytest.fixture
def second(previews: list[Preview]) -> Preview:
    return previews[1]


def is_alive(pid: int) -> bool:
    """A zombie has no environment variables any more."""
    return bool(process_table.environment(pid))


def url_of(site: Site, preview: Preview) -> str:
    return str(site.page(preview.host, "/environ").data["DATABASE_URL"])


def test_pulumi_shows_the_stacks_and_their_owners(site: Site, first: Preview, second: Preview) -> None:
    """P9"""
    listed = [item["name"] for item in json.loads(site.pulumi("stack", "ls", "--all", "--json"))]
    project = names.project_name(8, REPOSITORY)
    assert sorted(listed) == [f"organization/{project}/pr-{item.number}" for item in (first, second)]
    tags = site.pulumi("stack", "tag", "ls", "--stack", listed[0], "--json")
    assert first.name in tags
    assert first.commit in tags
    assert f"{REPOSITORY}" in tags
    outputs = json.loads(site.pulumi("stack", "output", "--json", "--stack", sorted(listed)[0]))
    assert outputs["url"] == f"http://{first.host}:{site.gateway_port}"
    assert outputs["database_urls"] == "[secret]"


def test_two_environments_cannot_read_each_others_database(site: Site, first: Preview, second: Preview) -> None:
    """D3: not with the other's database and one's own role, nor with PostgreSQL's own databases."""
    own, other = (urlsplit(url_of(site, item)) for item in (first, second))
    assert own.path != other.path
    assert own.username != other.username
    for database in (other.path, "/postgres", "/template1"):
        answer = site.page(first.host, "/connect", q=own._replace(path=database).geturl()).data
        assert answer.get("refused"), (database, answer)
    guessed = other._replace(netloc=other.netloc.replace(other.password or "", own.password or "")).geturl()
    assert "password" in site.page(first.host, "/connect", q=guessed).data["message"]
    nobody = f"postgresql://eph@{own.hostname}:{own.port}/postgres"
    assert site.page(first.host, "/connect", q=nobody).data.get("refused")
    assert site.page(first.host, "/connect", q=own.geturl()).data == {"rows": 1}


def test_service_cannot_read_the_servers_files(site: Site, first: Preview, second: Preview) -> None:
    """T1, S3: keys, state, the forge's token, the settings, another checkout, another's launch file."""
    envs = site.eph_home / "local" / "envs"
    wanted = [path for path in (site.eph_home / "keys").iterdir() if path.is_file()]
    wanted += [site.token, site.secret, site.home / "eph.toml", site.eph_home / "ledger.db"]
    wanted += (path for path in all_files(site.eph_home / "backend") if path.suffix == ".json")
    wanted += (site.eph_home / "local" / "launch").iterdir()
    wanted += (envs / second.name).glob("src/*/app.py")
    wanted += (site.eph_home / "local" / "postgres").glob("*password*")
    wanted += [Path("/root"), Path("/etc/shadow"), Path(f"/proc/{os.getpid()}/environ")]
    assert len(wanted) > 12
    for path in wanted:
        assert "refused" in site.page(first.host, "/read", q=str(path)).data, path
    [own] = (envs / first.name).glob("src/*/app.py")
    assert "psycopg" in site.page(first.host, "/read", q=str(own)).data["text"]
    told = site.page(first.host, "/environ").data
    assert told.pop("XDG_CACHE_HOME").startswith("/var/cache/eph"), "its build's own cache"
    assert not {name for name in told if name.startswith(("PULUMI", "XDG", "AWS", "GITHUB")) or "TOKEN" in name}


def test_urls_cannot_be_guessed_and_are_not_indexed(site: Site, first: Preview, second: Preview) -> None:
    """S5: at least 32 bits, a few attempts a minute, and no search engines."""
    found = re.fullmatch(r"shop-([a-z]+)-([a-z]+)-([a-z0-9]{4})-1", first.name)
    assert found
    assert (found[1] in ADJECTIVES, found[2] in NOUNS) == (True, True)
    assert math.log2(len(set(ADJECTIVES)) * len(set(NOUNS)) * 32**4) >= 32
    assert first.name.removesuffix("-1") != second.name.removesuffix("-2")
    assert "noindex" in site.page(first.host).headers["X-Robots-Tag"]
    tried = [site.page(f"shop-gentle-stream-{number:04}-1.localhost") for number in range(40)]
    assert tried[0].status == 404
    assert tried[-1].status == 429
    assert int(tried[-1].headers["Retry-After"]) > 0
    assert site.page(first.host).status == 200, "whoever was in stays in"


def test_all_surfaces_show_the_same_list(site: Site, first: Preview, second: Preview) -> None:
    """L6"""
    status = site.api("status")
    assert status["environments"] == len(site.api("environments")["items"]) == 2
    assert (status["queued"], status["complete"]) == (0, True)


def secret_values(site: Site, *previews: Preview) -> dict[str, str]:
    """Everything that people must never be able to read."""
    found = {f"keys/{path.name}": path.read_bytes() for path in (site.eph_home / "keys").iterdir() if path.is_file()}
    found |= {"forge token": site.token.read_bytes(), "webhook secret": site.secret.read_bytes()}
    found |= {str(path): path.read_bytes() for path in (site.eph_home / "local/postgres").glob("*password*")}
    known = {name: value.decode().strip() for name, value in found.items() if value.isascii()}
    return known | {f"database of {item.name}": urlsplit(url_of(site, item)).password or "" for item in previews}


def test_no_secret_is_written_where_people_read(site: Site, first: Preview, second: Preview) -> None:
    """S4: although one service printed its database's URL at startup, and another's migration failed doing so."""
    number, sha = site.open_pull(
        "telltale", {"eph.yaml": LEAKY_YAML, "migrate.sh": 'echo "connecting to $DATABASE_URL"; exit 7\n'}
    )
    site.wait_for_comment(number, sha[:7], "Failed", "connecting to ***")
    passwords = set(re.findall(r"postgresql://[a-z0-9_]+:([^@\s*]{16,})@", _launch_files(site)))
    known = secret_values(site, first, second) | {f"password {index}": word for index, word in enumerate(passwords)}
    assert len(known) >= 8
    assert all(len(value) >= 16 for value in known.values()), {name: len(value) for name, value in known.items()}
    for place, text in {**_visible_texts(site, first, number), **readable_files(site)}.items():
        told = [name for name, value in known.items() if value in text]
        assert told == [], f"{place} tells {told}"


def _launch_files(site: Site) -> str:
    return "".join(path.read_text() for path in (site.eph_home / "local" / "launch").glob("*.json"))


def _visible_texts(site: Site, one: Preview, failed: int) -> dict[str, str]:
    """All output of Eph and of the Git host."""
    said = {f"comment {number}": site.comment(number) for number in (1, 2, failed)}
    said["checks"] = str(site.forge.api("GET", f"/repos/{REPOSITORY}/commits/{one.commit}/check-runs"))
    for path in ("status", "environments", "events", f"environments/{one.name}", f"environments/{one.name}/why"):
        said[path] = json.dumps(site.api(path))
    for number in ("1", str(failed)):
        said[f"logs {number}"] = site.eph("logs", number).stdout
        said[f"operation {number}"] = site.eph("logs", number, "--operation", "--lines", "5000").stdout
        said[f"get {number}"] = site.eph("get", number, "--output", "yaml").stdout
    headers = {"Authorization": f"Bearer {site.api_token}"}
    for path in ("metrics", "openapi.json", "", "healthz"):
        said[path] = site.http.get(site.api_url(path), headers=headers).text
    said["processes"] = "\n".join(process_command_lines())
    assert f"serving {one.commit}" in said["logs 1"]
    assert "connecting to" in said[f"operation {failed}"]
    return said


def test_audit_lists_what_is_ours_and_a_sweep_removes_it(site: Site, first: Preview) -> None:
    """C2, L9, P5: planted under a live environment, so that only the audit could find it."""
    on, store = site.target_settings, site.eph_home / "backend/.pulumi/stacks"
    tag = store / names.project_name(8, REPOSITORY) / "pr-77.pulumi-tags"
    assert site.eph("audit").returncode == 0, site.eph("audit").stdout
    environment_databases.create(on, first.name, "eph_stray")
    routes.write(on.routes, RouteRecord("stray.localhost", "http://127.0.0.1:1", first.name, "web", "c" * 40))
    (on.env(first.name) / "src" / "cccccccccccc-dddddd").mkdir()
    tag.write_text("{}")
    theirs = [tag.parent / "payroll.pulumi-tags", on.envs / "Not_Ours"]
    theirs[0].write_text("{}")
    theirs[1].mkdir()
    with postgres.connect(on) as session:
        session.execute("CREATE DATABASE eph_theirs")
    pid = _orphan_process(str(on.env(first.name) / "home"))
    found = site.eph("audit", "-o", "json")
    assert found.returncode == 1, found.stderr
    orphans = {each["kind"]: each for each in json.loads(found.stdout)["orphans"]}
    assert set(orphans) == {"database", "role", "route", "checkout", "tag file", "process"}, found.stdout
    assert orphans["process"]["name"].startswith(f"{pid} ")
    assert {each["whose"] for kind, each in orphans.items() if kind != "tag file"} == {first.name}
    assert "eph_theirs" not in found.stdout
    assert site.eph("sweep", "--dry-run").stdout.count("remove ") == 6
    swept = site.eph("sweep")
    assert swept.returncode == 0, swept.stderr
    clean = site.eph("audit")
    assert clean.returncode == 0, clean.stdout
    assert not is_alive(pid)
    with postgres.connect(on) as session:
        assert session.execute("SELECT 1 FROM pg_database WHERE datname = 'eph_theirs'").fetchone()
        session.execute("DROP DATABASE eph_theirs")
    assert all(path.exists() for path in theirs)
    theirs[0].unlink()
    theirs[1].rmdir()
    assert site.page(first.host).data["commit"] == first.commit


def _orphan_process(home: str) -> int:
    """A process with that home, without a supervisor."""
    words = ["setsid", "sh", "-c", 'sleep 300 >/dev/null 2>&1 & echo "$!"']
    return int(subprocess.run(words, env={"HOME": home}, capture_output=True, text=True, check=True).stdout)


@pytest.mark.long
def test_what_is_lost_behind_its_back_is_detected_repaired_and_reported(site: Site, second: Preview) -> None:
    """L9, P1, O1: a dropped database, a deleted route, a service ended for good; each within two cycles."""
    on, url = site.target_settings, urlsplit(url_of(site, second))
    with postgres.connect(on) as session:
        session.execute(f'DROP DATABASE "{url.path[1:]}" WITH (FORCE)')
    (on.routes / f"{second.host}.json").unlink()
    noticed = wait_until("it is noticed", lambda: "" if drift_messages(site, second) else "no event", 3 * CYCLE)
    assert noticed < 2 * CYCLE + 1
    body = site.wait_for_comment(
        second.number, "Ready", "the database main was gone", "the route web was gone", timeout=sites.CREATE_TIMEOUT
    )
    assert "recreated and seeded" in body
    assert site.page(second.host, "/connect", q=url_of(site, second)).data == {"rows": 1}
    assert site.page(second.host).data["commit"] == second.commit

    [program] = [name for name in program_files.list_programs(on) if name.startswith(f"{second.name}.")]
    supervisor.client(on).call("stopProcess", program)
    site.wait_for_comment(
        second.number, "Ready", "the service web wasn't running; it was restarted", timeout=sites.CREATE_TIMEOUT
    )
    wait_until("it answers", lambda: "" if site.page(second.host).status == 200 else "not yet", 2 * CYCLE)
    assert "wasn't running; it was restarted" in site.eph("why", second.name).stdout
    assert [
        event["message"]
        for event in site.api("events", environment=second.name, limit="1000")["items"]
        if event["kind"] == "environment.repaired"
    ][-1].startswith("the service web wasn't running")


def drift_messages(site: Site, preview: Preview) -> list[str]:
    events = site.api("events", environment=preview.name, limit="1000")["items"]
    return [event["message"] for event in events if event["kind"] == "environment.drifted"]


SUITES = """
tests:
  - name: asks
    command: python3 ask.py
    junit: out.xml
  - name: late
    command: echo never
    needs: [asks]
"""
ASK = """
import os, sys, urllib.request
page = urllib.request.urlopen(os.environ["PREVIEW_URL"], timeout=20).read().decode()
good = os.environ["EPH_COMMIT"] in page
outcome = "" if good and %s else "<failure/>"
open("out.xml", "w").write(f"<testsuite><testcase name='cart_@ann'>{outcome}</testcase></testsuite>")
print("asked", os.environ["PREVIEW_URL"])
sys.exit(1 if outcome else 0)
"""


@pytest.mark.long
@pytest.mark.exhaustive
def test_repository_tests_run_against_the_url_and_decide_the_check(site: Site) -> None:
    """P4, P1, P2: the suite requests the real URL by its name, from the sandbox."""
    yaml = (sites.SHOP / "eph.yaml").read_text() + SUITES
    number, sha = site.open_pull("tested", {"eph.yaml": yaml, "ask.py": ASK % "False"})
    body = site.wait_for_comment(
        number, "Ready", sha[:7], "Tests against the URL", "failed: exit status 1", timeout=sites.CREATE_TIMEOUT
    )
    assert "| `late` | ⚪ skipped: skipped because asks didn't pass |" in body
    assert "| `asks` |" in body
    assert "@ann" not in body
    site.wait_for_check(sha, "failure")
    tested = site.wait_for_preview("tested", number, sha)
    assert (
        site.eph("logs", tested.name, "--suite", "asks").stdout == f"asked http://{tested.host}:{site.gateway_port}\n"
    )
    mended = site.push(tested, {"ask.py": ASK % "True"})
    site.wait_for_comment(
        number, "Ready", mended[:7], "| `asks` | 🟢 passed |", "| `late` | 🟢 passed |", timeout=sites.CREATE_TIMEOUT
    )
    site.wait_for_check(mended, "success")
    kinds = [event["kind"] for event in site.api("events", environment=tested.name, limit="1000")["items"]]
    assert [kind for kind in kinds if kind.startswith("tests.")] == [
        "tests.started", "tests.failed", "tests.skipped",
        "tests.started", "tests.passed", "tests.started", "tests.passed",
    ]  # fmt: skip
    site.forge.close_pull(REPOSITORY, number)
    site.wait_until_gone(tested)


def test_api_requires_its_token(site: Site, first: Preview) -> None:
    """S1, also for a preview's code on the same machine."""
    for path in ("status", "environments", f"environments/{first.name}", "events"):
        assert httpx.get(site.api_url(f"api/v1/{path}"), trust_env=False).status_code == 401
    forged = httpx.post(
        site.api_url("api/v1/webhooks/github"),
        content=b"{}",
        headers={"X-GitHub-Event": "pull_request"},
        trust_env=False,
    )
    assert forged.status_code == 401


def test_changes_are_detected_without_webhooks(site: Site, first: Preview) -> None:
    """L1: nothing was ever sent to this Eph; it finds every change by polling, within one cycle."""
    number, _ = site.open_pull("unannounced", {"eph.yaml": "nonsense"}, label=False)
    site.forge.label(REPOSITORY, number, LABEL)
    assert wait_until("it is noticed", lambda: "" if site.comment(number) else "no comment yet") < 2 * CYCLE
    site.forge.unlabel(REPOSITORY, number, LABEL)
    assert site.forge.stats()["deliveries"] == []
