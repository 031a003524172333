"""``kill -9`` at any time, then a restart, converges (L2, L8): the right commit is live, nothing leaked, nothing twice,
checked on the machine. What ephd keeps running is killed, too, and comes back (T1)."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import psycopg
import pytest

from orchestrator.demo import leak_check
from programs.kit import identifiers, routes
from programs.kit.database import environment_databases, postgres
from programs.kit.processes import ports, process_table
from programs.targets.local import cleanup
from tests.e2e import site as sites
from tests.e2e.previews import Preview
from tests.e2e.site import CYCLE, LABEL, REPOSITORY, Site, wait_until
from tests.polling import BackgroundPoller

pytestmark = [pytest.mark.real, pytest.mark.long, pytest.mark.timeout(240)]

SLOW = "touch building; sleep 2; echo built > built.txt\n"
SLOWER = "touch building; sleep 6; echo built > built.txt\n"
SLOW_HOOKS = (sites.SHOP / "eph.yaml").read_text() + "hooks:\n  pre_destroy:\n    - command: touch leaving; sleep 8\n"


@pytest.fixture(scope="module")
def bystander(site: Site) -> Preview:
    """An environment that runs all the time and isn't involved."""
    return site.preview("bystander")


@pytest.fixture(autouse=True)
def running_service(site: Site, bystander: Preview) -> None:
    """Every test starts with a running service that responds."""
    assert site.daemon
    assert site.daemon.poll() is None
    assert site.page(bystander.host).data["commit"] == bystander.commit


def kill_when(site: Site, bystander: Preview, what: str, reached: Callable[[], bool]) -> None:
    """Kills ephd at that time, checks what continues without it, and starts the next process."""
    wait_until(what, lambda: "" if reached() else f"not yet; {site.log_tail()}", 60)
    site.kill()
    assert site.page(bystander.host).data["commit"] == bystander.commit
    time.sleep(0.5)
    assert site.page(bystander.host).data["commit"] == bystander.commit
    site.start()


def stack_of(site: Site, number: int) -> Path:
    [project] = {path.parent for path in (site.eph_home / "backend").glob(".pulumi/stacks/*/*.json")} or {Path()}
    return project / f"pr-{number}.json"


def environment_folder(site: Site, number: int) -> Path | None:
    return next((site.eph_home / "local" / "envs").glob(f"*-{number}"), None)


def file_exists(site: Site, number: int, file: str) -> bool:
    found = environment_folder(site, number)
    return found is not None and any(found.glob(f"src/*/{file}"))


def assert_exactly_one(site: Site, preview: Preview) -> None:
    """Exactly what one environment needs, of everything."""
    name, on = preview.name, site.target_settings

    def wrong() -> str:
        counted = {
            "programs": sum(item.environment == name for item in cleanup.list_programs(on)),
            "ports": sum(owner.startswith(f"{name}.") for _, owner in ports.list_reserved(on)),
            "routes": sum(item.environment == name for item in routes.list_routes(on.routes)),
            "checkouts": len(list((on.envs / name / "src").iterdir())),
            "databases": sum(
                item.environment == name and item.kind == "DATABASE" for item in environment_databases.list_owned(on)
            ),
            "roles": sum(
                item.environment == name and item.kind == "ROLE" for item in environment_databases.list_owned(on)
            ),
            "stacks": len(list((site.eph_home / "backend").glob(f".pulumi/stacks/*/pr-{preview.number}.json"))),
        }
        locks = list((site.eph_home / "backend").glob(f".pulumi/locks/*/*/pr-{preview.number}/*"))
        extra = {what: count for what, count in counted.items() if count != 1}
        return "" if not extra and not locks else f"{extra}, locks {locks}"

    wait_until(f"{name} is there once", wrong)
    servers = [pid for pid in leak_check.processes(name) if _runs(pid, "app.py")]
    assert len(servers) <= 3, "more than one app, its shell and its sandbox"


def _runs(pid: int, word: str) -> bool:
    return word in process_table.command_line(pid)


KILL_POINTS: dict[str, Callable[[Site, int], bool]] = {
    "before its stack": lambda site, number: site.comment(number) != "",
    "its stack is there": lambda site, number: stack_of(site, number).exists(),
    "in the middle of the build": lambda site, number: file_exists(site, number, "building"),
    "built and not yet ready": lambda site, number: _is_built(stack_of(site, number)),
}


def _is_built(stack: Path) -> bool:
    try:
        return '"built"' in stack.read_text()
    except OSError:
        return False


@pytest.mark.parametrize("instant", KILL_POINTS)
@pytest.mark.exhaustive
def test_killed_while_creating(site: Site, bystander: Preview, instant: str) -> None:
    number, sha = site.open_pull(instant.replace(" ", "-"), {"build.sh": SLOW})
    kill_when(site, bystander, instant, lambda: KILL_POINTS[instant](site, number))
    made = site.wait_for_preview("made", number, sha)
    assert_exactly_one(site, made)
    site.forge.close_pull(REPOSITORY, number)
    site.wait_until_gone(made)


def test_killed_during_an_update_and_a_destroy(site: Site, bystander: Preview) -> None:
    """Both at once, to save a restart: the update ends at the newest commit, the destroy completes."""
    changed, leaving = [
        site.wait_for_preview(branch, *opened)
        for branch, opened in [
            (branch, site.open_pull(branch, {"eph.yaml": SLOW_HOOKS})) for branch in ("changed", "leaving")
        ]
    ]
    assert site.page(changed.host, "/add", q="a row that must stay").status == 200
    sha = site.push(changed, {"build.sh": SLOWER})
    site.forge.unlabel(REPOSITORY, leaving.number, LABEL)

    def both() -> bool:
        return file_exists(site, changed.number, "building") and file_exists(site, leaving.number, "leaving")

    kill_when(site, bystander, "both are under way", both)
    site.wait_for_commit(changed, sha)
    assert "a row that must stay" in site.page(changed.host).data["goods"]
    assert_exactly_one(site, changed)
    site.wait_until_gone(leaving)
    wait_until("its stack is gone", lambda: str(site.stack_files(leaving.number) or ""))
    site.wait_for_comment(leaving.number, "Destroyed")


def test_closed_while_ephd_was_down(site: Site, bystander: Preview) -> None:
    """L7: no event reports it, and the next process sees it anyway. P1 P2: an environment that is ready stays so in the
    comment, in the check and for the API."""
    preview = site.preview("unseen")
    with ReadyMonitor(site, bystander) as reports:
        site.kill()
        site.forge.close_pull(REPOSITORY, preview.number)
        site.start()
        before = len(reports.phases)
        site.wait_until_gone(preview)
        wait_until("its stack is gone", lambda: str(site.stack_files(preview.number) or ""))
        wait_until("the API responds again", lambda: "" if len(reports.phases) > before else "not yet")
    assert set(reports.phases) == {"ready"}
    assert reports.others == []


class ReadyMonitor(BackgroundPoller):
    """``phases``: what the API says while it responds. ``others``: comments and checks that say anything but ready."""

    def __init__(self, site: Site, preview: Preview) -> None:
        super().__init__()
        self._site, self._preview = site, preview
        self.phases: list[str] = []
        self.others: list[str] = []

    def poll(self) -> None:
        comment = self._site.comment(self._preview.number)
        check = self._site.forge.checks(REPOSITORY, self._preview.commit).get("eph/preview")
        if "Ready" not in comment or check != "success":
            self.others.append(f"{check}: {comment}")
        with contextlib.suppress(httpx.HTTPError):
            self.phases.append(self._site.api(f"environments/{self._preview.name}")["phase"])


def test_killed_supervisor_comes_back_with_everything_it_ran(site: Site, bystander: Preview) -> None:
    """Within two cycles, at the same URL."""
    daemon = next(pid for pid in leak_check.processes(str(site.eph_home)) if _runs(pid, "supervisor.supervisord"))
    ran = set(leak_check.processes(bystander.name))
    assert ran
    os.kill(daemon, signal.SIGKILL)
    wait_until("what it ran ended with it", lambda: str(ran & set(leak_check.processes(bystander.name)) or ""), 10)
    assert site.wait_for_commit(bystander, bystander.commit) < 2 * CYCLE
    assert_exactly_one(site, bystander)


def test_killed_database_server_comes_back_with_its_rows(site: Site, bystander: Preview) -> None:
    assert site.page(bystander.host, "/add", q="a row before the kill").status == 200
    on = site.target_settings
    postmaster = int((on.root / "postgres" / "data" / "postmaster.pid").read_text().split()[0])
    os.kill(postmaster, signal.SIGKILL)
    wait_until("it is noticed", lambda: "" if site.page(bystander.host).status != 200 else "is still live", 10)
    site.wait_for_commit(bystander, bystander.commit)
    assert "a row before the kill" in site.page(bystander.host).data["goods"]
    with postgres.connect(on) as session:
        assert isinstance(session, psycopg.Connection)


def test_killed_app_is_restarted(site: Site, bystander: Preview) -> None:
    before = site.page(bystander.host, "/environ").data["PORT"]
    for pid in leak_check.processes(bystander.name):
        if _runs(pid, "app.py"):
            os.kill(pid, signal.SIGKILL)
    took = site.wait_for_commit(bystander, bystander.commit)
    assert took < CYCLE, "the supervisor does it, without waiting for anybody's cycle"
    assert site.page(bystander.host, "/environ").data["PORT"] == before
    assert_exactly_one(site, bystander)
    assert identifiers.LABEL.fullmatch(bystander.name)
