"""Commands of people in pods of a real cluster, by the API server's exec protocol (P5, S3, issue 15).

One module whose tests use one environment, because each operation takes seconds.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import sys
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.demo.cluster.oci import ImageLayer, OciImage
from orchestrator.service.exec.exec_port import ExecEnded, ExecEvent, ExecOutput, ExecStarted
from orchestrator.service.exec.exec_sessions import ExecSessions
from programs.exec_requests import ExecProcess, ExecRequest, ExecUnavailable, TerminalRequest, TerminalSize
from programs.spec import EnvironmentSpec, HealthCheck, ServiceSpec
from programs.targets.kubernetes.exec import wording
from programs.targets.kubernetes.target import TARGET
from stacks.model import OperationVerb
from tests.cluster.cluster_access import images, wait_for
from tests.cluster.environments import DATABASE, SCHEMA, OperationRunner

pytestmark = pytest.mark.real

SECONDS = 60.0
"""Only a limit: nothing here takes that long unless something is wrong."""


@pytest.fixture(scope="module")
def shop(eph: OperationRunner) -> EnvironmentSpec:
    commit = eph.repository.push({"db/schema.sql": SCHEMA})
    app = images().app(eph.site.tools / "tools", "v1")
    stty = ImageLayer({"usr/bin/stty": Path(shutil.which("stty") or "/usr/bin/stty")})
    shell = eph.site.registry_client().push(replace(app, layers=(*app.layers, stty)), "acme/shell", "v1")
    bare = OciImage((ImageLayer({"tools": eph.site.tools / "tools"}),), ("serve",), ("/tools",))
    digest = eph.site.registry_client().push(bare, "acme/bare", "v1")
    pinned = {"shop": f"{eph.site.registry}/acme/shell@{shell}", "bare": f"{eph.site.registry}/acme/bare@{digest}"}
    services = (
        ServiceSpec("web", "", health=HealthCheck(deadline=90), image="shop", port=8080),
        ServiceSpec("bare", "", public=False, image="bare", port=8080),
    )
    made = eph.spec(21, commit, services=services, images=pinned, databases=(DATABASE,))
    eph.assert_succeeded(eph.up(made))
    return made


def process(shop: EnvironmentSpec, *command: str, service: str = "", database: str = "") -> ExecProcess:
    return TARGET.exec_command(shop.name, shop.settings, ExecRequest(command, service, database=database))


@asynccontextmanager
async def running(command: ExecProcess, size: TerminalSize | None = None) -> AsyncIterator[Running]:
    sessions = ExecSessions(str, timeout=SECONDS)
    async with aclosing(sessions.run(command, "ada", size)) as events:
        started = await anext(events)
        assert isinstance(started, ExecStarted)
        yield Running(sessions, started.session, events)


class Running:
    def __init__(self, sessions: ExecSessions, session: str, events: AsyncGenerator[ExecEvent]) -> None:
        self.sessions, self.session, self.events = sessions, session, events
        self.texts = {"stdout": "", "stderr": ""}

    async def send(self, data: bytes, *, end: bool = False) -> None:
        await self.sessions.write(self.session, data, end, "ada")

    async def until(self, text: str) -> None:
        try:
            async with asyncio.timeout(SECONDS):
                while text not in self.texts["stdout"]:
                    event = await anext(self.events)
                    assert isinstance(event, ExecOutput), (event, self.texts)
                    self.texts[event.stream] += event.text
        except TimeoutError:
            raise AssertionError(f"no {text!r} in {self.texts}") from None

    async def code(self) -> int | None:
        async for event in self.events:
            if isinstance(event, ExecEnded):
                return event.code
            assert isinstance(event, ExecOutput)
            self.texts[event.stream] += event.text
        raise AssertionError("it didn't end")


def run(command: ExecProcess, data: bytes = b"") -> tuple[int | None, str, str]:
    async def perform() -> tuple[int | None, str, str]:
        async with running(command) as it:
            await it.send(data, end=True)
            return await it.code(), it.texts["stdout"], it.texts["stderr"]

    return asyncio.run(perform())


def marked(eph: OperationRunner, shop: EnvironmentSpec, word: str) -> bool:
    """Whether a process with that word in its command line runs in the service's pod."""
    listed = eph.site.kubectl(
        "-n", shop.name, "exec", "deploy/web", "--", "sh", "-c", 'cat /proc/[0-9]*/cmdline | tr "\\0" " "; :'
    )
    return word in listed


def test_streams_and_exit_status_are_the_commands(shop: EnvironmentSpec) -> None:
    script = 'echo "$EPH_COMMIT $1"; echo problem >&2; exit 3'
    assert run(process(shop, "sh", "-c", script, "sh", "a  b")) == (3, f"{shop.source.commit} a  b\n", "problem\n")
    assert run(process(shop, "cat"), b"one\ntwo") == (0, "one\ntwo", "")
    code, _, problem = run(process(shop, "no-such-program"))
    assert (code, "not found" in problem) == (127, True)


def test_large_input_and_output_arrive_whole(shop: EnvironmentSpec) -> None:
    line = "x" * 99 + "\n"
    code, output, _ = run(process(shop, "cat"), line.encode() * 20_000)
    assert (code, len(output), set(output.splitlines())) == (0, 2_000_000, {"x" * 99})


def test_an_image_without_a_shell_runs_its_own_programs(shop: EnvironmentSpec) -> None:
    code, output, problem = run(process(shop, "/tools", "fetch", "http://127.0.0.1:8080/healthz", service="bare"))
    assert code == 0, (output, problem)
    code, _, problem = run(process(shop, "ls", service="bare"))
    assert (code, "not found" in problem) == (127, True)


def test_psql_uses_the_environments_own_role(shop: EnvironmentSpec) -> None:
    query = ("psql", "-XAtc", "SELECT current_user, name FROM fruit WHERE name = 'pear'")
    assert run(process(shop, *query, database="DATABASE_URL")) == (0, "app|pear\n", "")
    code, output, _ = run(process(shop, "psql", "-XAt", database="DATABASE_URL"), b"SELECT 6 * 7;\n")
    assert (code, output) == (0, "42\n")
    code, _, problem = run(process(shop, "psql", database="REPORTS_URL"))
    assert code not in (0, None)
    assert "REPORTS_URL" in problem


def test_a_terminal_has_a_size_job_control_and_an_end(shop: EnvironmentSpec) -> None:
    async def perform() -> None:
        request = ExecRequest(("sh",), terminal=TerminalRequest(TerminalSize(31, 97), "xterm-256color"))
        command = TARGET.exec_command(shop.name, shop.settings, request)
        async with running(command, TerminalSize(31, 97)) as it:
            await it.send(b"stty size; echo kind=$TERM\r")
            await it.until("31 97")
            await it.until("kind=xterm-256color")
            it.sessions.resize(it.session, TerminalSize(40, 120), "ada")
            await it.send(b"until [ \"$(stty size)\" = '40 120' ]; do sleep 0.1; done; echo re''sized\r")
            await it.until("resized")
            await it.send(b"sh -c 'echo go\"\"ing; exec sleep 4000'\r")
            await it.until("going")  # printed by what is interrupted, so it is in the foreground already
            await it.send(b"\x03")  # discards what the shell hasn't read yet
            await it.until("^C")
            await it.send(b"echo inter''rupted\r")
            await it.until("interrupted")
            await it.send(b"exit 5\r")
            assert await it.code() == 5

    asyncio.run(perform())


def test_nothing_of_a_command_stays_when_nobody_waits_for_it(eph: OperationRunner, shop: EnvironmentSpec) -> None:
    async def perform(*command: str) -> None:
        async with running(process(shop, *command)) as it:
            await it.until("up")

    asyncio.run(perform("sh", "-c", "trap '' HUP TERM PIPE; (sleep 5001 &); echo up; sleep 5002"))
    assert not marked(eph, shop, "sleep 500")
    code, _, _ = run(process(shop, "sh", "-c", "sleep 5003 >/dev/null 2>&1 & exit 0"))
    assert (code, marked(eph, shop, "sleep 5003")) == (0, False)


def test_a_command_ends_with_the_process_that_started_it(
    eph: OperationRunner, shop: EnvironmentSpec, tmp_path: Path
) -> None:
    """As with a killed ephd."""
    command = process(shop, "sh", "-c", "echo up; sleep 5004")
    script = tmp_path / "starter.py"
    script.write_text(
        "import subprocess, sys, time\n"
        "subprocess.Popen(sys.argv[1:], start_new_session=True, stdin=subprocess.PIPE)\n"
        "time.sleep(600)\n"
    )

    async def perform() -> None:
        starter = await asyncio.create_subprocess_exec(
            sys.executable, str(script), *command.argv, env=command.env, stdout=asyncio.subprocess.PIPE
        )
        assert starter.stdout is not None
        async with asyncio.timeout(SECONDS):
            assert await starter.stdout.readline() == b"up\n"
        starter.kill()
        await starter.wait()

    assert command.env is not None
    assert set(os.environ) <= set(command.env), "a program that a kubeconfig names may need them"
    asyncio.run(perform())
    wait_for(lambda: not marked(eph, shop, "sleep 5004"), SECONDS)


def test_a_sleeping_environment_runs_nothing_but_its_database(eph: OperationRunner, shop: EnvironmentSpec) -> None:
    eph.assert_succeeded(eph.sleep_or_wake(21, OperationVerb.SLEEP))
    with pytest.raises(ExecUnavailable, match="is asleep"):
        wait_for_no_pods(eph, shop)
    assert run(process(shop, "psql", "-XAtc", "SELECT 1", database="DATABASE_URL")) == (0, "1\n", "")
    with pytest.raises(ExecUnavailable, match="Services: bare, web"):
        process(shop, "ls", service="nothing")
    with pytest.raises(ExecUnavailable, match=re.escape(wording.nothing_runs("shop-gone-1"))):
        TARGET.exec_command("shop-gone-1", shop.settings, ExecRequest(("ls",)))


def wait_for_no_pods(eph: OperationRunner, shop: EnvironmentSpec) -> None:
    wait_for(lambda: not eph.site.get("pods", "-n", shop.name, "-l", "eph.dev/service=web")["items"], SECONDS)
    process(shop, "ls")
