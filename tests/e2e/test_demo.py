"""``eph demo`` as a newcomer starts it: runs its story, and leaves nothing behind however it ends (issue 3)."""

from __future__ import annotations

import os
import re
import select
import signal
import socket
import subprocess
import sys

import pytest

from orchestrator.demo import leak_check, wording
from orchestrator.demo.airflow.airflow_process import PYTHON_VARIABLE
from orchestrator.demo.free_ports import free_port
from orchestrator.demo.ministack.ministack_process import PYTHON_VARIABLE as PYTHON_OF_MINISTACK
from stacks.toolchain import plugins
from tests.e2e.demo_sandbox import STORY_STEPS, SWEEP, DemoSandbox
from tests.e2e.site import ROOT, wait_until
from tests.targets.aws import real_containers
from tests.targets.pipeline import pipeline_machine

pytestmark = pytest.mark.real

DEPLOYS_LINE = r"demo: 4 deploys, first request to answer \d+\.\d s, 200 cold requests 1 start, leftovers 0\n"
LINE = r"demo: 2 environments, label to URL \d+\.\d s, update \d+\.\d s, leftovers 0\n"


@pytest.mark.long
@pytest.mark.timeout(300)
def test_once_plays_the_whole_story_and_leaves_nothing_behind(demo: DemoSandbox) -> None:
    """L1, L5, T1, P1, P3, P9: two created, a push, a broken build and its fix, one unlabelled, one closed."""
    command = [sys.executable, "-m", "orchestrator.cli.main", "demo", "--once"]
    done = subprocess.run(command, cwd=ROOT, env=demo.env, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(LINE, done.stdout), done.stdout
    assert [step for step in STORY_STEPS if step not in done.stderr] == [], done.stderr
    (demo.folder / "config").mkdir(exist_ok=True)
    assert demo.remaining(set()) == ""


@pytest.mark.long
@pytest.mark.timeout(500)
@pytest.mark.exhaustive
def test_the_story_of_deploys_ends_with_one_start_and_nothing_left(demo: DemoSandbox) -> None:
    """M1 to M6, L2: nothing runs before the first request; ephd is killed during cold requests and a replacement, the
    gateway while it holds a request; an expiry."""
    command = [sys.executable, "-m", "orchestrator.cli.main", "demo", "--once", "--story", "deploys"]
    done = subprocess.run(command, cwd=ROOT, env=demo.env, capture_output=True, text=True, timeout=480)
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(DEPLOYS_LINE, done.stdout), done.stdout
    assert done.stderr.lower().count("killed ephd") + done.stderr.count("ephd killed") == 2
    assert "Killed the gateway" in done.stderr
    (demo.folder / "config").mkdir(exist_ok=True)
    assert demo.remaining(set()) == ""


@pytest.mark.long
@pytest.mark.timeout(400)
@pytest.mark.exhaustive
def test_the_story_on_a_pulumi_project_leaves_nothing_in_the_cloud(demo: DemoSandbox) -> None:
    """T8: two projects created, one updated, broken and fixed, both destroyed; the cloud itself counts what is left."""
    if plugins.find_optional(plugins.LANGUAGE_YAML) is None:
        pytest.skip("needs pulumi-language-yaml; run `make pulumi-language-yaml`")
    command = [sys.executable, "-m", "orchestrator.cli.main", "demo", "--once", "--target", "program"]
    done = subprocess.run(command, cwd=ROOT, env=demo.env, capture_output=True, text=True, timeout=380)
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(LINE, done.stdout), done.stdout
    (demo.folder / "config").mkdir(exist_ok=True)
    assert demo.remaining(set()) == ""


@pytest.mark.long
@pytest.mark.exhaustive
@pytest.mark.timeout(700)
def test_the_story_on_airflow_leaves_nothing_in_it(demo: DemoSandbox) -> None:
    """T5, P4, P5: two branches of one DAG, a push, an import error and its fix, `eph run`; each has its own rows."""
    env = {**demo.env, PYTHON_VARIABLE: pipeline_machine.airflow_python()}
    command = [sys.executable, "-m", "orchestrator.cli.main", "demo", "--once", "--target", "pipeline"]
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=680)
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(LINE, done.stdout), done.stdout
    (demo.folder / "config").mkdir(exist_ok=True)
    assert demo.remaining(set()) == ""


@pytest.mark.long
@pytest.mark.exhaustive
@pytest.mark.timeout(2400)
def test_the_story_on_aws_leaves_nothing_in_the_account(demo: DemoSandbox) -> None:
    """T3, L5, P1, P3, D2, C2: a whole ephd with a shared load balancer, subnets and cluster; each environment has its
    database, queue and bucket. MiniStack's own listings and its container engine count what is left."""
    plugin = subprocess.run([ROOT / "infra/toolchain/aws_plugin.sh"], capture_output=True, text=True, check=True).stdout
    registry = real_containers.registry_program()
    env = {**demo.env, PYTHON_OF_MINISTACK: real_containers.interpreter()}
    env["PATH"] = os.pathsep.join([plugin.strip(), env["PATH"], str(registry.parent)])
    command = [sys.executable, "-m", "orchestrator.cli.main", "demo", "--once", "--target", "aws"]
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=2300)
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(LINE, done.stdout), done.stdout
    assert [step for step in STORY_STEPS if step not in done.stderr] == [], done.stderr
    (demo.folder / "config").mkdir(exist_ok=True)
    assert demo.remaining(set()) == ""


@pytest.mark.long
@pytest.mark.exhaustive
def test_ctrl_c_while_creating_leaves_nothing_behind(demo: DemoSandbox) -> None:
    port = free_port()
    process = demo.start("--no-open", "--port", str(port))
    wait_until("the demo creates environments", demo.creation_status, 90)
    ports = demo.ports()
    assert port in ports
    assert len(ports) == 3
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 130, demo.output()
    assert demo.remaining(ports) == ""
    assert "Traceback" not in demo.output()


@pytest.mark.long
@pytest.mark.exhaustive
def test_next_demo_cleans_up_after_a_killed_one(demo: DemoSandbox) -> None:
    """Issue 3: not even ``kill -9`` leaves anything behind forever."""
    process = demo.start("--no-open", "--port", str(free_port()))
    wait_until("the demo creates environments", demo.creation_status, 90)
    ports, home = demo.ports(), demo.home()
    process.kill()
    process.wait(60)
    assert leak_check.processes(str(home)), "nothing outlived the kill, so this proves nothing"
    swept = subprocess.run(
        [sys.executable, "-c", SWEEP], cwd=ROOT, env=demo.env, capture_output=True, text=True, timeout=60
    )
    assert swept.stdout.strip() == str(home), swept.stderr
    (demo.folder / "config/eph/demo.json").unlink()  # it names the dead process
    assert demo.remaining(ports) == ""


@pytest.mark.long
def test_a_port_in_use_is_one_clear_message(demo: DemoSandbox) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        process = demo.start("--once", "--port", str(port))
        assert process.wait(60) == 1
    assert demo.output() == f"{wording.STARTING}\n{wording.error(wording.port_in_use(port))}\n"
    assert demo.home() is None


@pytest.mark.long
def test_make_demo_speaks_within_a_second_and_ctrl_c_is_no_error(demo: DemoSandbox) -> None:
    """Issue 18: the first minute. make ends a demo that a person stopped without an error line of its own."""
    # What runs in the background of a shell ignores SIGINT, and so would all that it starts.
    command = ["env", "--default-signal=INT", "make", "demo", f"ARGS=--no-open --port {free_port()}"]
    process = subprocess.Popen(
        command, cwd=ROOT, env=demo.env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True
    )
    assert process.stdout is not None
    ready, _, _ = select.select([process.stdout], [], [], 1.0)
    assert ready, "no output within a second"
    wait_until("the demo has a home", lambda: "" if demo.home() else "no home yet", 60)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to make, the shell and the demo
    said, _ = process.communicate(timeout=60)
    assert "***" not in said.decode()
    assert "Traceback" not in said.decode()
