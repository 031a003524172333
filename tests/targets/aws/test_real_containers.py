"""The whole story where things run: containers, PostgreSQL, load balancer, logs, on MiniStack. T3, T7, D2, L5, P3.

With ``EPH_TEST_AWS_PLUGIN=official`` the same test runs on Pulumi's official plugin.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from programs.kit import waiting
from programs.runtime_info import LogRequest
from programs.spec import CommandSpec, DatabaseSpec, EnvironmentSpec
from programs.targets.aws.target import TARGET
from tests.targets.aws import account_contents, real_containers
from tests.targets.aws.aws_stack import AwsStack
from tests.targets.aws.real_containers import RealContainers
from tests.targets.aws.recorded_program import NAME, WEB
from tests.targets.pulumi_driver import PulumiFailed

pytestmark = [pytest.mark.real, pytest.mark.long, pytest.mark.timeout(900)]
APP = """
import http.server, os, psycopg

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        with psycopg.connect(os.environ["DATABASE_URL"]) as database:
            words = [row[0] for row in database.execute("SELECT word FROM words ORDER BY number")]
        body = f"{os.environ['EPH_COMMIT'][:7]} {' '.join(words)}".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

print("serving", os.environ["EPH_COMMIT"][:7], flush=True)
http.server.ThreadingHTTPServer(("0.0.0.0", 8080), Handler).serve_forever()
"""
MIGRATION = """
import os, psycopg
with psycopg.connect(os.environ["DATABASE_URL"]) as database:
    database.execute("CREATE TABLE IF NOT EXISTS words (number serial, word text)")
    database.execute("INSERT INTO words (word) VALUES ('migrated')")
"""


@pytest.fixture
def cloud() -> Iterator[RealContainers]:
    with pytest.MonkeyPatch.context() as patch, real_containers.running(patch) as opened:
        yield opened


@pytest.mark.exhaustive
def test_environment_serves_its_commit_sleeps_wakes_and_is_destroyed(cloud: RealContainers, tmp_path: Path) -> None:
    account = cloud.account
    stack, before = AwsStack(tmp_path, account), account_contents.everything(account)
    settings = account.settings(architecture="x86_64")
    spec = shop(stack, cloud, settings, "a", "")

    broken = replace(spec, databases=(replace(spec.databases[0], migrate=CommandSpec("echo no such table; exit 3")),))
    with pytest.raises(PulumiFailed, match=r"(?s)migrate main failed: exit status 3.*no such table"):
        stack.run("up", broken)
    assert serving(cloud) == [], "no service starts before its database is migrated"

    outputs = stack.run("up", spec)["outputs"]
    assert outputs["built"]["url"] == f"http://{spec.host}"
    assert cloud.fetch(spec.host) == "aaaaaaa migrated"
    assert kinds(cloud) == ["ecs", "rds"]
    with pytest.raises(OSError, match="404"):
        cloud.fetch("someone-elses.preview.test")
    logs = TARGET.logs(NAME, settings, LogRequest())
    assert "serving aaaaaaa" in "\n".join(logs.lines)

    updated = shop(stack, cloud, settings, "b", "# changed\n")
    stack.run("up", updated)
    assert cloud.fetch(spec.host) == "bbbbbbb migrated migrated", "in place, with the same data"

    TARGET.sleep(NAME, settings)
    assert waiting.wait_until(lambda: serving(cloud) == [], 60), "no task runs"
    TARGET.wake(NAME, settings)
    assert waiting.wait_until(lambda: is_served(cloud, spec.host), 60)

    stack.run("destroy")
    TARGET.purge(NAME, settings)
    assert account_contents.everything(account) == before
    assert cloud.containers() == []


def shop(stack: AwsStack, cloud: RealContainers, settings: dict[str, str], commit: str, more: str) -> EnvironmentSpec:
    image = cloud.push({"srv/app.py": APP + more, "srv/migrate.py": MIGRATION})
    spec = stack.spec(
        replace(WEB, command="exec python3 /srv/app.py"),
        databases=(DatabaseSpec("main", migrate=CommandSpec("python3 /srv/migrate.py")),),
        images={"shop": image},
        settings=settings,
        options={"size": "ephemeral", "queues": ["jobs"], "buckets": ["files"]},
    )
    return replace(spec, source=replace(spec.source, commit=commit * 40))


def kinds(cloud: RealContainers) -> list[str]:
    """The services whose containers run, such as ``rds``."""
    return sorted({name.split("-")[1] for name in cloud.containers()})


def serving(cloud: RealContainers) -> list[str]:
    return [name for name in cloud.containers() if name.startswith("ministack-ecs-") and name.endswith("-web")]


def is_served(cloud: RealContainers, host: str) -> bool:
    try:
        return cloud.fetch(host).startswith("bbbbbbb")
    except OSError:
        return False
