"""Where a person's command runs, and what the exec protocol's answers mean, without a cluster (P5).

The protocol itself is tested on a real cluster (tests/cluster/test_exec.py). Here is the shell around a command, in
every shell of this machine.
"""

from __future__ import annotations

import shutil
import subprocess
import time
import uuid
from pathlib import Path
from typing import Any

import pytest

from programs.exec_requests import ExecRequest, ExecUnavailable, psql_command
from programs.targets.kubernetes.api import object_names
from programs.targets.kubernetes.exec import exec_stream, running_pods, shell_wrapper, wording
from programs.targets.kubernetes.exec.exec_client import RemoteCommand
from programs.targets.kubernetes.exec.exec_stream import ExecResult

Data = dict[str, Any]
SHELLS = [name for name in ("dash", "bash", "busybox") if shutil.which(name)]


def workload(name: str, *, public: bool = False, **fields: Any) -> Data:
    labels = {object_names.SERVICE: name, object_names.PUBLIC: str(public).lower()}
    env = [{"name": "DATABASE_URL", "valueFrom": {"secretKeyRef": {"name": "eph-db-main-1", "key": "url"}}}]
    pod = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": name, "env": env}]}}
    return {"metadata": {"name": name}, "spec": {"template": pod, **fields}}


def pod(name: str, service: str, created: str, *, ready: bool = True, running: bool = True, **about: Any) -> Data:
    state = {"running": {}} if running else {"waiting": {"reason": "CrashLoopBackOff"}}
    return {
        "metadata": {
            "name": name,
            "namespace": "shop-a-1",
            "creationTimestamp": created,
            "labels": {object_names.SERVICE: service},
            **about,
        },
        "spec": {"containers": [{"name": "sidecar"}, {"name": service}]},
        "status": {
            "conditions": [{"type": "Ready", "status": str(ready)}],
            "containerStatuses": [{"name": service, "state": state}, {"name": "sidecar", "state": {"running": {}}}],
        },
    }


WEB, API, DATABASE = workload("web", public=True), workload("api"), workload("eph-db-main-1")


def test_the_first_public_service_is_the_default_and_a_database_is_none() -> None:
    everything = [DATABASE, API, WEB]
    assert running_pods.find_service(everything, "", "shop-a-1") is WEB
    assert running_pods.find_service([DATABASE, API], "", "shop-a-1") is API
    assert running_pods.find_service(everything, "api", "shop-a-1") is API
    for requested, known in (("other", everything), ("eph-db-main-1", everything), ("", [DATABASE])):
        with pytest.raises(ExecUnavailable):
            running_pods.find_service(known, requested, "shop-a-1")


def test_the_database_is_the_one_that_the_services_variable_refers_to() -> None:
    assert running_pods.find_database([WEB, DATABASE], WEB, "DATABASE_URL") is DATABASE
    assert running_pods.find_database([WEB, DATABASE], WEB, "REPORTS_URL") is None
    assert running_pods.find_database([WEB], WEB, "DATABASE_URL") is None, "it is on the shared server"


def test_a_ready_pod_is_preferred_and_then_the_oldest() -> None:
    old, new = pod("old", "web", "2026-01-01T00:00:00Z"), pod("new", "web", "2026-01-02T00:00:00Z")
    found = running_pods.choose_container([new, old], WEB, "shop-a-1")
    assert (found.namespace, found.pod, found.container) == ("shop-a-1", "old", "web")
    sick = pod("sick", "web", "2025-01-01T00:00:00Z", ready=False)
    going = pod("going", "web", "2025-01-01T00:00:00Z", deletionTimestamp="2026-01-02T00:00:00Z")
    crashed = pod("crashed", "web", "2025-01-01T00:00:00Z", running=False)
    other = pod("other", "api", "2025-01-01T00:00:00Z")
    assert running_pods.choose_container([going, crashed, other, sick, new], WEB, "shop-a-1").pod == "new"
    assert running_pods.choose_container([going, crashed, other, sick], WEB, "shop-a-1").pod == "sick"
    chosen = pod("chosen", "web", "2026", annotations={"kubectl.kubernetes.io/default-container": "sidecar"})
    assert running_pods.choose_container([chosen], WEB, "shop-a-1").container == "sidecar"
    with pytest.raises(ExecUnavailable, match=wording.not_running("web", "shop-a-1")):
        running_pods.choose_container([going, crashed], WEB, "shop-a-1")
    with pytest.raises(ExecUnavailable, match=wording.asleep("shop-a-1")):
        running_pods.choose_container([], workload("web", replicas=0), "shop-a-1")


@pytest.mark.parametrize(
    ("status", "result"),
    [
        ({"status": "Success"}, ExecResult(0)),
        (
            {
                "status": "Failure",
                "reason": "NonZeroExitCode",
                "message": "command terminated with exit code 3",
                "details": {"causes": [{"reason": "ExitCode", "message": "3"}]},
            },
            ExecResult(3),
        ),
        ({"status": "Failure", "message": "container not found"}, ExecResult(None, "container not found")),
        ({"status": "Failure", "details": {"causes": [{"reason": "ExitCode", "message": "-"}]}}, None),
    ],
)
def test_the_status_is_an_exit_code_or_a_reason(status: Data, result: ExecResult | None) -> None:
    found = exec_stream.parse_status(status)
    assert found == (result or ExecResult(None, found.message))


def test_the_request_survives_the_way_to_its_process() -> None:
    request = RemoteCommand("/k", "", "shop-a-1", "web-1", "web", ("sh", "-c", "echo 'a  b' ü"), "xterm")
    assert RemoteCommand.from_json(request.to_json()) == request


def test_psql_needs_the_name_of_a_variable() -> None:
    assert psql_command(ExecRequest(("psql", "-l"), database="DATABASE_URL"))[3:] == ("psql", "-l")
    for name in ("$(reboot)", "A}; reboot; ${B", "ü"):
        with pytest.raises(ExecUnavailable):
            psql_command(ExecRequest(("psql",), database=name))


# --- the shell around a command


def in_shell(shell: str, command: tuple[str, ...]) -> list[str]:
    words = [shell, "sh"] if shell == "busybox" else [shell]
    return [*words, *command[1:]]


def wrapped(shell: str, *command: str, mark: str = "", terminal: str = "") -> subprocess.CompletedProcess[str]:
    whole = in_shell(shell, shell_wrapper.run(mark or uuid.uuid4().hex, terminal, command))
    return subprocess.run(whole, capture_output=True, text=True, timeout=20, check=False)


@pytest.mark.parametrize("shell", SHELLS)
def test_the_wrapper_changes_nothing_of_a_command(shell: str) -> None:
    done = wrapped(shell, "sh", "-c", 'printf "%s|" "$0" "$@"; echo "$TERM" >&2; exit 7', "a  b", "*", terminal="vt1")
    assert (done.returncode, done.stdout, done.stderr) == (7, ".a  b|*|", "vt1\n")
    assert wrapped(shell, "exit", "3").returncode == 127, "a program, not a word of the shell"
    assert wrapped(shell, "sh", "-c", "kill -9 $$").returncode == 137


@pytest.mark.parametrize("shell", SHELLS)
def test_what_a_command_left_in_the_background_ends_with_it(shell: str) -> None:
    mark = uuid.uuid4().hex
    done = wrapped(shell, "sh", "-c", "trap '' HUP; setsid sleep 600 >/dev/null 2>&1 & echo $!", mark=mark)
    assert done.returncode == 0
    assert not _alive(mark)


@pytest.mark.parametrize("shell", SHELLS)
def test_a_command_can_be_ended_from_outside(shell: str) -> None:
    mark, other = uuid.uuid4().hex, uuid.uuid4().hex
    run = in_shell(shell, shell_wrapper.run(mark, "", ("sh", "-c", "trap '' TERM HUP; echo up; sleep 600")))
    kept = in_shell(shell, shell_wrapper.run(other, "", ("sh", "-c", "echo up; sleep 600")))
    with (
        subprocess.Popen(run, stdout=subprocess.PIPE, text=True) as ended,
        subprocess.Popen(kept, stdout=subprocess.PIPE, text=True) as stays,
    ):
        try:
            for process in (ended, stays):
                assert process.stdout is not None
                assert process.stdout.readline() == ".up\n"
            subprocess.run(in_shell(shell, shell_wrapper.end(mark)), check=True, timeout=20)
            assert ended.wait(20) == 137
            assert (_alive(mark), stays.poll()) == (False, None)
        finally:
            subprocess.run(in_shell(shell, shell_wrapper.end(other)), check=True, timeout=20)


def _alive(mark: str) -> bool:
    """Whether a process with that mark is left. One that was just killed may take a moment to disappear."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if not any(_has_mark(place, mark) for place in Path("/proc").iterdir() if place.name.isdecimal()):
            return False
        time.sleep(0.05)
    return True


def _has_mark(process: Path, mark: str) -> bool:
    try:
        return f"EPH_EXEC={mark}".encode() in (process / "environ").read_bytes()
    except OSError:
        return False
