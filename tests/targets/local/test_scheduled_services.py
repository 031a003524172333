"""Services that run on a schedule, in real sandboxes under supervisord (issue 14 item 6, T1, D3)."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from programs.kit.cron import wording
from programs.kit.identifiers import ProgramName
from programs.kit.processes import sandbox, supervisor
from programs.runtime_info import LogRequest
from programs.spec import ServiceSpec
from programs.targets.local import liveness, supervised_services, suspend
from programs.targets.local.supervised_services import ServiceProcess
from programs.targets.local.target import TARGET
from tests.targets.isolated_machine import GENERATION, SHOP, Isolated
from tests.targets.local_machine import APP, LocalMachine, Repository, wait_for

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(not sandbox.works(), reason="bubblewrap can't create its namespaces here"),
]
NIGHT = ProgramName(SHOP, "night", GENERATION)
EVERY_MINUTE = "* * * * *"


def schedule(isolated: Isolated, command: str, when: str = EVERY_MINUTE) -> None:
    service = ServiceProcess(NIGHT, command, 0, "", 10, {"GREETING": "hello"}, schedule=when)
    supervised_services.start(isolated.here, isolated.workspace(SHOP), service)


def lines(machine: LocalMachine, name: str = SHOP) -> tuple[str, ...]:
    return TARGET.logs(name, machine.raw_settings, LogRequest("night")).lines


def starts(isolated: Isolated) -> int:
    return sum(line.startswith(wording.NEXT_RUN) for line in lines(isolated.machine))


def state(isolated: Isolated) -> str:
    return str(supervisor.info(isolated.here, str(NIGHT)).get("statename"))


def test_it_is_ready_at_once_and_stops_while_the_environment_sleeps(isolated: Isolated) -> None:
    """T4: as a suspended CronJob."""
    schedule(isolated, "true", "0 0 29 2 *")
    assert wait_for(lambda: starts(isolated) == 1)
    assert liveness.live_resources(isolated.here)["Service"] == {f"{SHOP}/night/{GENERATION}"}
    suspend.sleep(isolated.here, SHOP)
    assert state(isolated) == "STOPPED"
    began = time.monotonic()
    suspend.wake(isolated.here, SHOP, wait=True)
    assert time.monotonic() - began < supervised_services.PROBE_TIMEOUT, "nothing waits for a run"
    assert wait_for(lambda: starts(isolated) == 2)
    assert state(isolated) in ("STARTING", "RUNNING")


@pytest.mark.long
@pytest.mark.timeout(200)
def test_its_command_runs_in_the_sandbox_and_a_failure_is_only_shown(isolated: Isolated) -> None:
    """D3: with the service's variables; its output and its exit status are in its log."""
    schedule(isolated, 'echo "$GREETING from $(id -u) in $PWD, port ${PORT-none}"; exit 7')
    workspace = isolated.workspace(SHOP)
    assert wait_for(lambda: any("status 7" in line for line in lines(isolated.machine)), 90)
    assert f"hello from 1000 in {workspace.checkout}, port none" in lines(isolated.machine)
    assert state(isolated) == "RUNNING"
    assert wait_for(lambda: starts(isolated) == 2), "it waits for the next time"


@pytest.mark.long
@pytest.mark.timeout(300)
def test_a_push_replaces_it_and_destroy_removes_it(pulumi: LocalMachine, repository: Repository) -> None:
    """With the real Pulumi: it has no port and no route, and other services don't see it."""
    commit = repository.push({"app.py": APP, "version.txt": "one"})
    spec = pulumi.spec(repository, commit)
    night = ServiceSpec("night", "exec python3 app.py", public=False, schedule="0 0 29 2 *")
    spec = replace(spec, services=(*spec.services, night))
    pulumi.up(spec)
    assert "NIGHT_URL" not in pulumi.get("/environ")
    pulumi.up(replace(spec, source=replace(spec.source, commit=repository.push({"version.txt": "two"}))))
    (program,) = [name for name in supervisor.states(pulumi.settings) if ".night." in name]
    assert program in {f"{spec.name}.night.{name}" for name in _checkouts(pulumi)}
    assert pulumi.get() == "two"
    assert wait_for(lambda: any(line.startswith(wording.NEXT_RUN) for line in lines(pulumi, spec.name)))
    pulumi.destroy()
    assert pulumi.remaining() == []


def _checkouts(machine: LocalMachine) -> list[str]:
    return [path.name for path in machine.settings.envs.glob("*/src/*")]
