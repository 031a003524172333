"""What an operator does to a server with a preview: back up, wipe, restore, rotate keys, stop all, start. O4, S4."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator.demo import leak_check
from tests.e2e.previews import Preview
from tests.e2e.site import ROOT, Site, wait_until

pytestmark = [pytest.mark.real, pytest.mark.long, pytest.mark.exhaustive, pytest.mark.timeout(600)]


def on_the_machine(site: Site, *words: str) -> None:
    done = site.eph(*words, "--config", str(site.home / "eph.toml"))
    assert done.returncode == 0, done.stderr


def stop_everything(site: Site) -> None:
    command = [sys.executable, "-m", "orchestrator.app", "stop", "--all", "--config", str(site.home / "eph.toml")]
    done = subprocess.run(command, cwd=ROOT, env=site.environ, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stderr


def wipe(home: Path) -> None:
    for name in ("backend", "keys", "uploads"):
        shutil.rmtree(home / name, ignore_errors=True)
    for file in (*home.glob("ledger.db*"), *home.glob("owed.json")):
        file.unlink()


def has_variables(site: Site, preview: Preview) -> bool:
    """The service runs with them, and the operation that started it has ended. They are in the stack's tag before that
    operation starts."""
    return (
        site.page(preview.host, "/environ").data.get("API_KEY") == "sesame-street"
        and site.api("status")["running"] == 0
    )


def operations(site: Site) -> list[str]:
    return [
        event["kind"] for event in site.api("events", limit="500")["items"] if event["kind"].startswith("operation")
    ]


def is_serving(site: Site, preview: Preview, commit: str = "") -> None:
    wait_until(
        f"{preview.name} responds",
        lambda: "" if site.page(preview.host).data.get("commit") == (commit or preview.commit) else site.log_tail(),
    )


def test_a_server_is_wiped_restored_rotated_stopped_and_everything_still_runs(site: Site) -> None:
    preview = site.preview("operated")
    assert site.eph("env", "set", preview.name, "API_KEY=sesame-street", "--secret").returncode == 0
    wait_until("they are recorded and deployed", lambda: "" if has_variables(site, preview) else site.log_tail())
    processes = set(leak_check.processes(f"/{preview.name}/"))
    assert processes

    assert site.stop() == 0
    archive = site.home / "backup.tar.gz"
    on_the_machine(site, "server", "backup", str(archive))
    wipe(site.eph_home)
    on_the_machine(site, "server", "restore", str(archive))
    site.start()
    assert "restored from a backup" in site.eph("server", "status").stdout
    is_serving(site, preview)
    assert set(leak_check.processes(f"/{preview.name}/")) == processes, "nothing was started again"
    assert site.eph("server", "resume").returncode == 0
    commit = site.push(preview, {"colour.txt": "#00ff00\n"})
    site.wait_for_commit(preview, commit)

    assert site.stop() == 0
    before = len(site.stack_files(preview.number))
    on_the_machine(site, "server", "rotate-keys")
    assert len(site.stack_files(preview.number)) == before
    site.start()
    wait_until("a cycle", lambda: "" if site.api("status")["last_cycle"] else "none yet")
    done = operations(site)
    assert "API_KEY" in site.eph("env", "list", preview.name).stdout
    is_serving(site, preview, commit)
    assert operations(site) == done, "a new key deploys nothing"

    stop_everything(site)
    assert site.stop() == 0, "it ended without an error"
    assert site.page(preview.host).status == 0
    assert not leak_check.processes(str(site.eph_home))
    site.start()
    is_serving(site, preview, commit)
