"""Projects on the real engine, with the demo's cloud as the provider's outside. Rows: T8, T7, L2, S3 and S5."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from orchestrator.demo import leak_check
from programs.kit.errors import TargetError
from programs.runtime_info import LogRequest
from programs.targets.program import projects, wording
from programs.targets.program.projects import SavedCopy
from programs.targets.program.target import TARGET
from tests.e2e.site import wait_until
from tests.targets.program.conftest import NAME, ProgramMachine

pytestmark = [pytest.mark.real, pytest.mark.long, pytest.mark.timeout(300)]

VOLUME = """
  data:
    type: democloud:index:Volume
    properties: {name: "%s", size: "%s"}
    options: {protect: %s}
outputs:"""
SPY = """
import json, os, socket, pulumi
def attempt(path):
    try:
        return open(path).read(50) if os.path.isfile(path) else repr(os.listdir(path))
    except OSError:
        return "refused"
def connects(port):
    with socket.socket() as trial:
        trial.settimeout(2)
        return trial.connect_ex(("127.0.0.1", port)) == 0
seen = []
for pid in filter(str.isdigit, os.listdir("/proc")):
    try:
        seen.append(open(f"/proc/{pid}/environ").read())
    except OSError:
        pass
config = pulumi.Config("eph")
for number, path in enumerate(json.loads(pulumi.Config().require("paths"))):
    pulumi.export(f"path-{number}", attempt(path))
pulumi.export("leaked", any("server-passphrase" in text or "eph-backend" in text for text in seen))
pulumi.export("connects", connects(int(pulumi.Config().require("port"))))
pulumi.export("of", f"{config.require('name')} {config.require('pr')} {config.require('host')}")
pulumi.export("hidden", pulumi.Output.secret("a-secret-output"))
"""


def with_volume(files: dict[str, str], size: str, protect: str = "false") -> dict[str, str]:
    return {**files, "Pulumi.yaml": files["Pulumi.yaml"].replace("\noutputs:", VOLUME % (NAME, size, protect))}


def test_project_is_created_updated_and_destroyed_without_its_source(machine: ProgramMachine) -> None:
    """T8: at one address, with a failing provider in between; the credential is in no log, and nothing is left."""
    files = machine.shop()
    first = machine.apply(files)
    assert first.addresses.urls == {"web": f"{machine.cloud.url}/sites/{NAME}/"}
    assert (first.plan, machine.cloud.names()) == ("+1 create", [NAME])
    assert TARGET.live_resources(machine.strings) == {"Project": {NAME}}

    newer = machine.apply({"page.html": "<h1>Two</h1>"})
    assert (newer.plan, newer.addresses.urls) == ("~1 update", first.addresses.urls)
    assert machine.cloud.items["sites", NAME] == "<h1>Two</h1>"

    with pytest.raises(TargetError, match="sites shop-gentle-stream-42: the content is empty") as failure:
        machine.apply({"page.html": " "})
    assert machine.cloud.token not in f"{failure.value} {machine.log()}"
    assert machine.cloud.items["sites", NAME] == "<h1>Two</h1>"
    lines = TARGET.logs(NAME, machine.strings, LogRequest()).lines
    assert any("update democloud:index:Site page" in line for line in lines)

    with pytest.raises(TargetError, match=r"Pulumi\.yaml"):
        machine.apply({"Pulumi.yaml": "name: [", "page.html": "<h1>Two</h1>"})
    assert machine.cloud.requests.count(f"DELETE sites/{NAME}") == 0

    shutil.rmtree(machine.repository.bare)
    TARGET.purge(NAME, machine.strings)
    assert (machine.cloud.items, TARGET.list_remaining(machine.strings)) == ({}, [])
    TARGET.purge(NAME, machine.strings)


@pytest.mark.exhaustive
def test_lost_folder_is_restored_from_the_copy_in_the_stack(machine: ProgramMachine) -> None:
    """Eph's own stack holds an encrypted copy of the project's state: a lost disk leaks nothing."""
    done = machine.apply(machine.shop())
    copy = SavedCopy(done.checkpoint, done.passphrase)
    shutil.rmtree(machine.host.env(NAME))
    assert TARGET.live_resources(machine.strings) == {"Project": frozenset()}
    assert machine.apply({"page.html": "<h1>Two</h1>"}, copy).plan == "~1 update"

    shutil.rmtree(machine.host.env(NAME) / "home" / "state")
    with pytest.raises(TargetError) as failure:
        projects.destroy(machine.host, NAME)
    assert (failure.value.sentence, machine.cloud.names()) == (wording.STATE_LOST, [NAME])
    projects.destroy(machine.host, NAME, copy)
    assert (machine.cloud.items, TARGET.list_remaining(machine.strings)) == ({}, [])


def test_protected_resource_prevents_a_destroy_before_anything_is_deleted(machine: ProgramMachine) -> None:
    machine.apply(with_volume(machine.shop(), "1", protect="true"))
    with pytest.raises(TargetError, match=r"^Protected resources prevent the destroy: data\. "):
        projects.destroy(machine.host, NAME)
    assert machine.cloud.items.keys() == {("sites", NAME), ("volumes", NAME)}
    projects.destroy(replace(machine.host, delete_protected=True), NAME)
    assert machine.cloud.items == {}


@pytest.mark.exhaustive
def test_plans_that_lose_data_wait_for_approval(machine: ProgramMachine) -> None:
    """T8: the first apply, and a replacement of a resource with data. An ordinary update needs none."""
    machine.changed = {"approve_first": "True", "approve_replacements": "True", "stateful_types": "democloud:*:Volume"}
    files = with_volume(machine.shop(), "1")
    props = machine.props(files)
    with pytest.raises(TargetError, match=r"The plan: \+2 create") as failure:
        projects.apply(machine.host, NAME, props)
    assert "+ democloud:index:Volume data" in failure.value.tail
    assert machine.cloud.requests == []
    projects.apply(machine.host, NAME, {**props, "approved": True})
    assert machine.apply({"page.html": "<h1>Two</h1>"}).plan == "~1 update"

    bigger = with_volume(machine.shop(), "2")
    with pytest.raises(TargetError, match=wording.replaces(["data"])):
        machine.apply(bigger)
    assert machine.cloud.items["volumes", NAME] == "1"
    projects.apply(machine.host, NAME, {**machine.props({"README": "again"}), "approved": True})
    assert machine.cloud.items["volumes", NAME] == "2"
    projects.destroy(machine.host, NAME)
    assert machine.cloud.items == {}


KILLED = """
import json, sys
from programs.targets.program import projects, settings
order = json.load(sys.stdin)
projects.apply(settings.from_mapping(order["settings"]), order["name"], order["props"])
"""


def kill_while_it_creates(machine: ProgramMachine, props: dict[str, Any]) -> None:
    """SIGKILL to the operation's process while the provider waits for the cloud. The cloud goes on once the project has
    ended: it could still record the answer."""
    arrived, go_on = threading.Event(), threading.Event()

    def hold(_method: str, _path: str) -> None:
        arrived.set()
        go_on.wait(60)

    machine.cloud.before = hold
    order = json.dumps({"settings": machine.strings, "name": NAME, "props": props})
    child = subprocess.Popen([sys.executable, "-c", KILLED], stdin=subprocess.PIPE, text=True, start_new_session=True)
    assert child.stdin is not None
    child.stdin.write(order)
    child.stdin.close()
    assert arrived.wait(100), "the project never reached the cloud"
    os.kill(child.pid, signal.SIGKILL)
    child.wait(30)
    wait_until("its sandbox ended, too", lambda: str(leak_check.processes(str(machine.host.env(NAME))) or ""))
    machine.cloud.before = lambda _method, _path: None
    go_on.set()


@pytest.mark.exhaustive
def test_killed_run_is_continued_and_destroyed(machine: ProgramMachine) -> None:
    """L2: the create that was on its way is done by then. The next run says so, and a destroy still works."""
    props = machine.props(machine.shop())
    kill_while_it_creates(machine, props)
    with contextlib.suppress(TargetError):  # democloud refuses a second site of that name
        projects.apply(machine.host, NAME, props)
    assert "An interrupted run may have created page." in machine.log()
    machine.cloud.items.clear()
    assert projects.apply(machine.host, NAME, props).plan == "+1 create"
    kill_while_it_creates(machine, machine.props({"page.html": "<h1>Two</h1>"}))
    TARGET.purge(NAME, machine.strings)
    assert (machine.cloud.items, TARGET.list_remaining(machine.strings)) == ({}, [])


def test_hostile_program_sees_only_its_own_environment(
    machine: ProgramMachine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """S3 and S5: neither Eph's passphrase nor its backend, nor another environment's state, nor the machine."""
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "server-passphrase")
    monkeypatch.setenv("PULUMI_BACKEND_URL", "file:///eph-backend")
    host = machine.host
    other = host.env("shop-quiet-river-7") / "home" / "state" / "secret"
    other.parent.mkdir(parents=True)
    other.write_text("of another")
    own_run = host.env(NAME) / "run"
    watched = [*map(str, (other, other.parent, own_run / "passphrase", own_run, host.root, host.envs)), str(tmp_path)]
    project = {"Pulumi.yaml": "name: spy\nruntime: python\n", "__main__.py": SPY, "requirements.txt": ""}
    props = {**machine.props(project, config={"paths": json.dumps(watched), "port": str(machine.cloud.port)})}
    done = projects.apply(host, NAME, {**props, "build": None})
    shown = done.addresses.shown
    own_only = {"refused", f"['{NAME}']", "['envs']"}
    assert {path: shown[f"path-{number}"] for number, path in enumerate(watched)}.items() <= {
        (path, text) for path in watched for text in own_only
    }, shown
    assert (shown["leaked"], shown["connects"]) == ("False", "False")
    assert shown["of"] == f"{NAME} 42 {NAME}.localhost"
    assert "a-secret-output" not in str(shown) + machine.log()
    shutil.rmtree(host.env("shop-quiet-river-7"))
    projects.destroy(host, NAME)


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"README": "x"}, "Pulumi.yaml in the repository's root"),
        ({"Pulumi.yaml": "name: x\nruntime: cobol\n"}, "'cobol'"),
        (
            {"Pulumi.yaml": "name: x\nruntime: yaml\noutputs: {url: 'javascript:alert(1)'}\n"},
            wording.not_a_url("web", "url"),
        ),
    ],
)
def test_unusable_project_is_refused_in_words(machine: ProgramMachine, files: dict[str, str], expected: str) -> None:
    with pytest.raises(TargetError) as failure:
        projects.apply(machine.host, NAME, {**machine.props(files), "build": None})
    assert expected in failure.value.sentence
    TARGET.purge(NAME, machine.strings)
    assert TARGET.list_remaining(machine.strings) == []
