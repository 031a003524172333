"""An update that starts nothing (M4), with the real Pulumi: the first request starts it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from programs.kit.processes import supervisor
from programs.registry import Sleeps
from programs.spec import CommandSpec, LifecycleHooks
from programs.targets.local.target import TARGET
from tests.targets.local_machine import APP, LocalMachine, Repository

pytestmark = [pytest.mark.real, pytest.mark.timeout(300)]

FILES = {"app.py": APP, "version.txt": "one"}


def started(machine: LocalMachine) -> int:
    """How many processes of it supervisord has started, ever."""
    logs = machine.settings.logs.glob("shop-gentle-stream-42.*.log")
    return sum(path.read_text().count("starting ") for path in logs)


@pytest.mark.long
def test_an_update_starts_nothing_until_it_is_woken(pulumi: LocalMachine, repository: Repository) -> None:
    machine = pulumi
    spec = replace(machine.spec(repository, repository.push(FILES)), asleep=True)
    outputs = machine.up(spec)
    assert outputs["built"]["spec_digest"] == replace(spec, asleep=False).digest
    assert machine.route()["asleep"] is True
    assert started(machine) == 0
    assert isinstance(TARGET, Sleeps)
    TARGET.wake(spec.name, machine.raw_settings)
    assert (machine.get(), machine.route()["asleep"], started(machine)) == ("one", False, 1)

    TARGET.sleep(spec.name, machine.raw_settings)
    newer = replace(machine.spec(repository, repository.push({**FILES, "version.txt": "two"})), asleep=True)
    machine.up(newer)
    assert machine.route()["asleep"] is True
    found = [known.state for name, known in supervisor.states(machine.settings).items() if name.startswith(spec.name)]
    assert found == ["STOPPED"], "the old generation is gone, and the new one wasn't started"
    TARGET.wake(spec.name, machine.raw_settings)
    assert machine.get() == "two"
    machine.destroy()
    assert machine.remaining() == []


@pytest.mark.long
def test_hooks_that_need_its_services_find_them(pulumi: LocalMachine, repository: Repository) -> None:
    """The executor puts it to sleep after the update."""
    machine = pulumi
    read = "import os, urllib.request as u; print(u.urlopen(os.environ['WEB_URL'] + '/version').status)"
    hook = CommandSpec(f'python3 -c "{read}"', 20)
    spec = machine.spec(repository, repository.push(FILES), hooks=LifecycleHooks(post_create=(hook,)))
    machine.up(replace(spec, asleep=True))
    assert machine.get() == "one"
    machine.destroy()
