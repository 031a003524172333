"""Label deploys on the target `local`, with a real ephd, a real gateway and `eph` (M1, M2, M3, M5, L2, P5 `deploy`)."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import termios
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.demo import leak_check
from programs.kit.build_cache import archives
from tests.cli import clones
from tests.e2e import site as sites
from tests.e2e.site import REPOSITORY, Site, shop_files, wait_until

pytestmark = [pytest.mark.real, pytest.mark.long, pytest.mark.timeout(600)]

ROUTE = "shop.localhost"
APP = f"app:\n  route: {ROUTE}\n"
HOST = f"feat-x.{ROUTE}"


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with sites.running_site(local=f'[deploys.routes]\n"{ROUTE}" = "{REPOSITORY}"\n') as made:
        files = shop_files()
        for branch, text in (("feat", "1"), ("newer", "2")):
            made.forge.push(REPOSITORY, branch, {**files, "eph.yaml": files["eph.yaml"] + APP, "text": text})
        broken = {**files, "eph.yaml": files["eph.yaml"] + APP, "build.sh": "echo no such module >&2; exit 3\n"}
        made.forge.push(REPOSITORY, "broken", broken)
        wait_until_ready(made)
        yield made


def wait_until_ready(site: Site) -> None:
    """ephd has read the repositories, and `eph` finds it."""

    def problem() -> str:
        found = site.eph("list")
        return "" if found.returncode == 0 else f"{found.stderr}{site.log_tail()}"

    wait_until("ephd is ready", problem, 90)


def deploy(site: Site, *words: str) -> dict[str, object]:
    done = site.eph("deploy", *words, "-o", "json")
    assert done.returncode == 0, f"{done.stdout}{done.stderr}{site.log_tail()}"
    return dict(json.loads(done.stdout))


def stack_files(site: Site) -> list[str]:
    folder = site.eph_home / "backend" / ".pulumi" / "stacks"
    return sorted(path.name for path in folder.glob("*/deploy-*.json"))


def test_a_deploy_has_its_own_url_survives_a_kill_and_is_replaced_and_destroyed(site: Site) -> None:
    first = deploy(site, "Feat/X", "--ref", "feat", "--wait")
    assert str(first["url"]).startswith(f"http://{HOST}:")
    page = site.page(HOST)
    assert (page.status, page.data["commit"]) == (200, first["commit"])
    assert site.page(HOST, "/add", q="cherry").status == 200

    failed = site.eph("deploy", "feat-x", "--ref", "broken")
    assert failed.returncode == 1
    assert "no such module" in failed.stderr or "build" in failed.stderr
    assert f"Commit {str(first['commit'])[:7]} is still live" in failed.stderr
    assert site.page(HOST).data["commit"] == first["commit"]

    site.kill()
    site.start()
    wait_until_ready(site)
    wait_until("it is served", lambda: "" if site.page(HOST).status == 200 else "not yet", 60)
    assert site.page(HOST).data["commit"] == first["commit"]

    second = deploy(site, "feat-x", "--ref", "newer", "--wait")
    assert site.page(HOST).data["commit"] == second["commit"] != first["commit"]
    assert len(stack_files(site)) == 1

    assert site.eph("down", f"{REPOSITORY}:feat-x", "--yes", "--wait").returncode == 0
    assert site.page(HOST).status in (404, 410)
    assert stack_files(site) == []


def run_commands(site: Site, name: str) -> None:
    """P5, P11: where the service runs, in its sandbox and with its variables; recorded with who did it."""
    outside = site.eph_home / "keys" / "api.token"
    script = f"cat text; echo; echo $EPH_COMMIT; id -u; cat {outside}; exit 7"
    shown = site.eph("exec", name, "--", "sh", "-c", script)
    assert shown.returncode == 7, f"{shown.stdout}{shown.stderr}{site.log_tail()}"
    text, commit, user = shown.stdout.splitlines()
    assert (text, len(commit), user) == ("never committed", 40, "1000")
    assert f"{outside}: No such file" in shown.stderr
    goods = site.eph("psql", name, "--", "-Atc", "SELECT count(*) FROM goods")
    assert (goods.returncode, goods.stdout.strip().isdigit()) == (0, True), f"{goods.stdout}{goods.stderr}"
    assert list(site.eph_home.rglob("exec-*.json")) == [], "the files with the variables are removed"
    events = [event for event in site.api("events")["items"] if event["kind"] == "exec.started"]
    assert len(events) == 2


class Screen:
    """What a person at a terminal sees and types."""

    def __init__(self, terminal: int) -> None:
        self._terminal, self.text = terminal, ""
        threading.Thread(target=self._read, daemon=True).start()

    def type(self, text: str) -> None:
        os.write(self._terminal, text.encode())

    def wait_for(self, part: str) -> None:
        wait_until(part, lambda: "" if part in self.text else self.text[-500:] or "nothing", 60)

    def _read(self) -> None:
        with contextlib.suppress(OSError):
            while data := os.read(self._terminal, 4096):
                self.text += data.decode(errors="replace")


@contextlib.contextmanager
def eph_in_terminal(site: Site, *words: str) -> Iterator[tuple[Screen, subprocess.Popen[bytes], int]]:
    """With the terminal that `eph` has, which is as before afterwards."""
    ours, theirs = os.openpty()
    termios.tcsetwinsize(theirs, (33, 101))
    before = termios.tcgetattr(theirs)
    command = [sys.executable, "-m", "orchestrator.cli.main", *words]
    eph = subprocess.Popen(
        command, cwd=sites.ROOT, env=site.environ, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
    )
    try:
        yield Screen(ours), eph, theirs
        assert termios.tcgetattr(theirs) == before
    finally:
        eph.kill()
        eph.wait()
        for end in (ours, theirs):
            os.close(end)


def run_in_terminal(site: Site, name: str) -> None:
    """P5: a shell with job control in the service's sandbox, and psql with a prompt."""
    with eph_in_terminal(site, "exec", "-it", name, "--", "sh") as (screen, eph, terminal):
        screen.wait_for("$ ")
        screen.type("stty size\n")
        screen.wait_for("33 101")
        termios.tcsetwinsize(terminal, (21, 63))
        eph.send_signal(signal.SIGWINCH)
        screen.type("until stty size | grep '21 63'; do sleep 0.1; done\n")
        screen.wait_for("\n21 63")
        screen.type("sleep 600; echo n''ever\n")
        screen.wait_for("n''ever")
        screen.type("\x03")  # ends sleep, and neither the shell nor eph
        screen.type("echo wid''ened; cat text; exit 4\n")
        screen.wait_for("widened")
        assert eph.wait(60) == 4, screen.text
        assert ("never committed" in screen.text, "\nnever\r" in screen.text) == (True, False)
    with eph_in_terminal(site, "psql", name) as (screen, eph, _):
        screen.wait_for("=> ")
        screen.type("SELECT 'fif' || 'teen';\n")
        screen.wait_for("fifteen")
        screen.type("\\q\n")
        assert eph.wait(60) == 0, screen.text
    events = [event["message"] for event in site.api("events")["items"] if event["kind"] == "exec.started"]
    assert sum("in a terminal" in message for message in events) == 2


def test_the_working_copy_is_deployed_as_it_is_and_removed_with_its_environment(site: Site, tmp_path: Path) -> None:
    """M1: uncommitted files are served; the clone stays as it is; the server keeps nothing after the destroy."""
    clone = clones.create(tmp_path / "clone")
    clone.git("remote", "set-url", "origin", f"https://git.example.com/{REPOSITORY}.git")
    files = shop_files()
    clone.commit({**files, "eph.yaml": files["eph.yaml"] + APP})
    clone.write({"text": "never committed"})
    before = clone.state()
    done = site.eph("deploy", "wip", "--wait", "-o", "json", folder=clone.folder)
    assert done.returncode == 0, f"{done.stdout}{done.stderr}{site.log_tail()}"
    made = json.loads(done.stdout)
    page = site.page(f"wip.{ROUTE}")
    assert (page.status, page.data["commit"]) == (200, made["commit"])
    assert site.page(f"wip.{ROUTE}", "/read", q="text").data == {"text": "never committed"}
    assert clone.state() == before
    run_commands(site, f"{REPOSITORY}:wip")
    run_in_terminal(site, f"{REPOSITORY}:wip")
    kept = list((site.eph_home / "uploads").glob("*/*.git"))
    assert [path.stem for path in kept] == [made["commit"]]
    assert site.eph("down", f"{REPOSITORY}:wip", "--yes", "--wait").returncode == 0
    assert site.page(f"wip.{ROUTE}").status in (404, 410)


def files_of_the_active_version(site: Site) -> dict[str, bytes]:
    """Its state, tag and history, its route, what its processes are started with, and the cache that its next build
    starts with; and which processes run."""
    name = json.loads((site.eph_home / "gateway" / "routes" / f"{ROUTE}.json").read_text())["environment"]
    found = [path for path in (site.eph_home / "backend" / ".pulumi").glob("*/*/branch-*") if path.is_file()]
    found += (site.eph_home / "backend" / ".pulumi" / "history").glob("*/branch-*/*")
    found.append(site.eph_home / "gateway" / "routes" / f"{ROUTE}.json")
    found += (path for path in site.target_settings.root.rglob(f"{name}.*") if path.suffix in (".json", ".conf"))
    found += archives.folder(site.target_settings).iterdir()
    read = {str(path): path.read_bytes() for path in found}
    return {**read, "processes": repr(leak_check.processes(f"/{name}/home")).encode()}


@pytest.mark.exhaustive
def test_deploying_the_active_version_leaves_it_byte_identical(site: Site) -> None:
    """M1, M2, M4: the same commit under a label is a second environment, from its start to its end. Each of its builds
    adds a file to its cache."""
    files = shop_files()
    trigger = "triggers:\n  - type: branch\n    branches: [main]\n"
    text = files["eph.yaml"].replace("triggers:\n", trigger) + APP
    build = 'echo built > built.txt; mkdir -p "$PIP_CACHE_DIR"; touch "$PIP_CACHE_DIR/$(date +%s%N)"\n'
    commit = site.forge.push(REPOSITORY, "main", {**files, "eph.yaml": text, "build.sh": build})
    wait_until("main is active", lambda: "" if site.page(ROUTE).data.get("commit") == commit else "not yet", 120)
    wait_until("nothing is under way", lambda: str(site.api("status")["running"] or ""), 60)
    before = files_of_the_active_version(site)
    assert len(before) > 6
    assert any(path.endswith(archives.SUFFIX) for path in before)
    made = deploy(site, "copy", "--version", commit, "--wait")
    assert (made["commit"], site.page(f"copy.{ROUTE}").data["commit"]) == (commit, commit)
    assert files_of_the_active_version(site) == before
    assert site.eph("down", f"{REPOSITORY}:copy", "--yes", "--wait").returncode == 0
    assert files_of_the_active_version(site) == before


def test_a_failed_first_deploy_leaves_nothing(site: Site) -> None:
    failed = site.eph("deploy", "broken", "--ref", "broken")
    assert failed.returncode == 1
    assert "Everything it created was removed" in failed.stderr
    wait_until("nothing is left", lambda: "; ".join(stack_files(site)), 90)
    assert site.api("audit")["orphans"] == []


@pytest.mark.exhaustive
def test_an_expired_deploy_is_not_served_and_is_collected(site: Site) -> None:
    deploy(site, "short", "--ref", "feat", "--ttl", "40s", "--wait")
    host = f"short.{ROUTE}"
    assert site.page(host).status == 200
    wait_until("it isn't served", lambda: "" if site.page(host).status in (404, 410) else "still served", 60)
    wait_until("it is collected", lambda: "; ".join(stack_files(site)), 90)
