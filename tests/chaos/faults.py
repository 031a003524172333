"""Faults: each breaks one thing the way the world breaks it. Gives what was done, or nothing when there was nothing
to break within a second: only what was really done is counted."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil

from programs.kit.processes import process_table
from tests.chaos.schedules import Step
from tests.chaos.site import REPOSITORIES, ChaosSite

FIND_SECONDS = 1.0


class Faults:
    """``called`` tells a repository's name of now."""

    def __init__(self, site: ChaosSite, current_name: Callable[[str], str]) -> None:
        self._site = site
        self._current_name = current_name

    def inject(self, step: Step) -> str:
        try:
            return str(getattr(self, f"_{step.kind}")(step))
        except OSError as error:
            if error.errno == errno.ENOSPC:  # the disk is full just now, for us too
                return ""
            raise

    # --- processes

    def _kill_ephd(self, step: Step) -> str:
        self._site.kill_ephd(step.size * 2)
        return f"kill_ephd, back in {step.size * 2:.1f} s"

    def _kill_worker(self, step: Step) -> str:
        return self._kill_one(step, self._worker_pids)

    def _kill_pulumi(self, step: Step) -> str:
        return self._kill_one(step, self._pulumi_pids)

    def _kill_provider(self, step: Step) -> str:
        return self._kill_one(
            step,
            lambda: [
                pid for pid in self._site.processes("stacks.operations.dynamic_provider") if self._has_operation(pid)
            ],
        )

    def _kill_supervisord(self, step: Step) -> str:
        return self._kill_one(step, lambda: self._site.processes("supervisor.supervisord"))

    def _kill_postgres(self, step: Step) -> str:
        return self._kill_one(step, lambda: self._site.processes("postgres -D "))

    def _kill_app(self, step: Step) -> str:
        return self._kill_one(step, lambda: self._site.processes("python3 -S app.py"))

    def _kill_gateway(self, step: Step) -> str:
        return self._kill_one(step, lambda: self._site.processes("orchestrator.gateway"))

    def _pause_worker(self, step: Step) -> str:
        """Stopped and continued: a machine that was short of breath."""
        pid = self._pick(step, self._worker_pids)
        if not pid or not _send_signal(pid, signal.SIGSTOP):
            return ""
        seconds = 1 + step.size * 4
        self._site.schedule(seconds, lambda: _send_signal(pid, signal.SIGCONT))
        return f"pause_worker {pid} for {seconds:.1f} s"

    def _kill_one(self, step: Step, find_pids: Callable[[], list[int]]) -> str:
        pid = self._pick(step, find_pids)
        return f"{step.kind} {pid}" if pid and _send_signal(pid, signal.SIGKILL) else ""

    def _pick(self, step: Step, find_pids: Callable[[], list[int]]) -> int:
        end = time.monotonic() + FIND_SECONDS
        while time.monotonic() < end:
            found = find_pids()
            if found:
                return found[int(step.pick * len(found))]
            self._site.wait(0.15)
        return 0

    def _worker_pids(self) -> list[int]:
        """Those with an operation: it is written down who."""
        found = []
        for path in (self._site.eph_home / "operations").glob("*/*/running.*.json"):
            with contextlib.suppress(OSError, ValueError, KeyError):
                found.append(int(json.loads(path.read_text())["worker"]["pid"]))
        return sorted(pid for pid in found if process_table.is_alive(pid))

    def _has_operation(self, pid: int) -> bool:
        with contextlib.suppress(psutil.Error):
            return psutil.Process(pid).ppid() in self._worker_pids()
        return False

    def _pulumi_pids(self) -> list[int]:
        """Not ``pulumi version``, by which ephd finds its tools: it would take another, which the audit cannot see."""
        found = set(self._site.processes("pulumi")) - set(self._site.processes("pulumi version"))
        return sorted(pid for pid in found if process_table.process_name(pid) == "pulumi")

    # --- the Git host

    def _forge_500(self, step: Step) -> str:
        return self._fail_responses(step, int(1 + step.size * 8), status=500)

    def _forge_403(self, step: Step) -> str:
        return self._fail_responses(
            step, int(1 + step.size * 6), status=403, body='{"message": "Resource not accessible"}'
        )

    def _forge_404(self, step: Step) -> str:
        """The repository is 'not there': as when access was taken away."""
        path = f"/api/v3/repos/{self._repository(step)}"
        return self._fail_responses(
            step, int(1 + step.size * 6), status=404, path=path, body='{"message": "Not Found"}'
        )

    def _forge_429(self, step: Step) -> str:
        return self._fail_responses(step, 1, status=429, headers={"Retry-After": "2"}, body='{"message": "slow down"}')

    def _forge_cut(self, step: Step) -> str:
        return self._fail_responses(step, int(1 + step.size * 4), truncate=40)

    def _forge_empty(self, step: Step) -> str:
        """A lie with 200: there are no pull requests. Each absence has to be confirmed."""
        path = f"/api/v3/repos/{self._repository(step)}/pulls"
        return self._fail_responses(step, int(1 + step.size * 3), status=200, body="[]", path=path)

    def _forge_half(self, step: Step) -> str:
        """The first page of two, and the second never comes."""
        name = self._repository(step)
        pulls = self._site.forge.api("GET", f"/repos/{name}/pulls?state=open")
        path = f"/api/v3/repos/{name}/pulls"
        following = f'<{self._site.forge.url}{path}?state=open&per_page=100&page=2>; rel="next"'
        half = json.dumps(pulls[: len(pulls) // 2])
        self._fail_responses(step, 1, status=200, body=half, headers={"Link": following}, path=path)
        return self._fail_responses(step, 2, status=502, path=path)

    def _forge_hang(self, step: Step) -> str:
        return self._fail_responses(step, 1, hang=30)

    def _forge_killed(self, step: Step) -> str:
        forge = self._site.forge
        port = int(forge.url.rpartition(":")[2])
        forge.kill()
        self._site.wait(step.size * 2)
        forge.start(port, process=True)
        return f"forge_killed, back after {step.size * 2:.1f} s"

    def _fail_responses(self, step: Step, count: int, path: str = "/api/v3/", **fault: Any) -> str:
        self._site.saw_refusal |= fault.get("status") in (403, 404)
        self._site.forge.fail_next(count, path=path, **fault)
        return f"{step.kind} × {count}"

    def _repository(self, step: Step) -> str:
        return self._current_name(REPOSITORIES[int(step.pick * len(REPOSITORIES))])

    # --- the machine

    def _disk_full_state(self, step: Step) -> str:
        return self._disk_full(step, "state")

    def _disk_full_ledger(self, step: Step) -> str:
        return self._disk_full(step, "ledger")

    def _disk_full(self, step: Step, which: str) -> str:
        disk = self._site.disks[which]
        if not disk.is_mounted:
            return ""
        disk.fill()
        seconds = 1 + step.size * 4
        self._site.schedule(seconds, disk.free)
        return f"{step.kind} for {seconds:.1f} s"

    def _clock_jump(self, step: Step) -> str:
        """Somebody sets the clock, from a minute to two hours ahead or back; later it is right again."""
        clock = self._site.clock
        if not clock.environ:
            return ""
        ahead = int((60 + 7140 * step.size**2) * (1 if step.pick < 0.5 else -1))
        clock.set(ahead)
        seconds = 2 + (step.pick * 2 % 1) * 4
        self._site.schedule(seconds, lambda: clock.set(0))
        return f"clock_jump by {ahead} s for {seconds:.1f} s"

    # --- webhooks

    def _hooks_lost(self, step: Step) -> str:
        return self._disrupt_webhooks("lost", step)

    def _hooks_doubled(self, step: Step) -> str:
        return self._disrupt_webhooks("doubled", step)

    def _hooks_reordered(self, step: Step) -> str:
        return self._disrupt_webhooks("reordered", step)

    def _disrupt_webhooks(self, mode: str, step: Step) -> str:
        count = int(2 + step.size * 4)
        self._site.relay.disrupt(mode, count)
        return f"the next {count} webhooks are {mode}"

    def _hook_forged(self, step: Step) -> str:
        """A stranger says that a pull request was closed; nobody may listen."""
        body = json.dumps({"action": "closed", "number": 1, "repository": {"id": 1, "full_name": "acme/shop"}}).encode()
        told = {"Content-Type": "application/json", "X-GitHub-Event": "pull_request", "X-GitHub-Delivery": "forged"}
        status = self._site.relay.send((body, {**told, "X-Hub-Signature-256": "sha256=" + "0" * 64}))
        if 200 <= status < 300:
            raise AssertionError(f"a forged webhook was answered with {status}")
        return f"hook_forged, answered {status}"

    # --- locks and files

    def _lock_of_a_dead_one(self, step: Step) -> str:
        gone = subprocess.Popen([sys.executable, "-ISc", ""])
        gone.wait(10)
        return self._lock(step, gone.pid, socket.gethostname())

    def _lock_of_a_reused_pid(self, step: Step) -> str:
        """Taken two hours ago by a pid that is another's now."""
        return self._lock(step, self._site.forge.pid, socket.gethostname(), timedelta(hours=2))

    def _lock_of_another_host(self, step: Step) -> str:
        """Nobody can prove that one dead: an operator removes it after a while."""
        return self._lock(step, 4242, "elsewhere.example", operator=True)

    def _lock(self, step: Step, pid: int, host: str, ago: timedelta = timedelta(), operator: bool = False) -> str:
        state = self._state(step)
        if state is None:
            return ""
        taken = datetime.now(UTC) - ago
        path = self._lock_path(state)
        entry = {"pid": pid, "username": "root", "hostname": host, "timestamp": taken.isoformat()}
        try:
            path.write_text(json.dumps(entry))
        except OSError:  # it must not be half a lock
            path.unlink(missing_ok=True)
            raise
        if operator:
            self._site.schedule(2 + step.size * 3, lambda: path.unlink(missing_ok=True))
        return f"{step.kind} on {state.parent.name}/{state.stem}"

    def _state_cut(self, step: Step) -> str:
        """The harness restores the backup, as an operator would, unless Pulumi itself wrote it whole since."""
        state = self._state(step)
        if state is None or self._site.audit.is_busy(f"{state.parent.name}.{state.stem}"):
            return ""
        whole = state.read_bytes()
        cut = whole[: len(whole) // 2]
        state.write_bytes(cut)

        def restore() -> None:
            self._site.disks["state"].free()
            with contextlib.suppress(FileNotFoundError):
                if state.read_bytes() == cut:
                    state.write_bytes(whole)

        self._site.schedule(1 + step.size * 3, restore)
        return f"state_cut {state.parent.name}/{state.stem}"

    def _lock_cut(self, step: Step) -> str:
        """The machine lost power just when a lock was written: nobody can tell whose it was, so an operator removes
        it after a while."""
        state = self._state(step)
        if state is None:
            return ""
        path = self._lock_path(state)
        self._site.schedule(2 + step.size * 3, lambda: path.unlink(missing_ok=True))
        path.write_text("" if step.pick < 0.5 else '{"pid": 42, "user')
        return f"lock_cut on {state.parent.name}/{state.stem}"

    def _lock_path(self, state: Path) -> Path:
        folder = self._backend / "locks" / "organization" / state.parent.name / state.stem
        folder.mkdir(parents=True, exist_ok=True)
        return folder / f"{uuid.uuid4()}.json"

    def _tag_lost(self, step: Step) -> str:
        state = self._state(step)
        tag = state.with_name(f"{state.stem}.pulumi-tags") if state else None
        if tag is None or not tag.exists():
            return ""
        tag.unlink(missing_ok=True)
        return f"tag_lost {tag.parent.name}/{tag.stem}"

    def _tag_cut(self, step: Step) -> str:
        """Nobody restores it."""
        state = self._state(step)
        tag = state.with_name(f"{state.stem}.pulumi-tags") if state else None
        if tag is None or not tag.exists():
            return ""
        tag.write_bytes(tag.read_bytes()[: tag.stat().st_size // 2])
        return f"tag_cut {tag.parent.name}/{tag.stem}"

    @property
    def _backend(self) -> Path:
        return self._site.eph_home / "backend" / ".pulumi"

    def _state(self, step: Step) -> Path | None:
        found = sorted((self._backend / "stacks").glob("*/*.json"))
        return found[int(step.pick * len(found))] if found else None


def _send_signal(pid: int, number: signal.Signals) -> bool:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    return True
