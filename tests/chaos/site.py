"""One run's world: a folder that holds everything, a Git host, a relay for its webhooks, and an ephd that is brought
back whenever it ends, as a machine's init would."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from orchestrator.demo import demo_world, leak_check
from orchestrator.demo.free_ports import free_port
from orchestrator.demo.github.demo_github import DemoGitHub, WebhookConfig
from programs import registry
from programs.kit.processes import process_table
from stacks.toolchain import pulumi_cli
from tests.chaos.overlap_audit import OverlapAudit
from tests.chaos.resources import Clock, CpuShareClock, Disk
from tests.chaos.webhook_relay import WebhookRelay

ROOT = Path(__file__).parents[2]
APP = Path(__file__).parent / "app"
REPOSITORIES = ("acme/shop", "globex/shop")
INTERVAL = 1.5
STOP_SECONDS = 20.0
"""In fair time, like the rest of a run."""
DEPLOYS_PER_APP = 3


class ChaosForge(DemoGitHub):
    """People and checks come in without the prefix that Eph's client uses, so faults meet Eph alone."""

    @property
    def for_eph(self) -> str:
        return f"{self.url}/api/v3"

    @property
    def api_url(self) -> str:
        return self.url


@dataclass(slots=True)
class ScheduledAction:
    """Something to undo: a paused process goes on, a foreign lock is removed."""

    at: float
    action: Callable[[], object]


class ChaosSite:
    def __init__(self, home: Path) -> None:
        self.home, self.eph_home = home, home / "eph"
        self.api_port, self.gateway_port = free_port(), free_port()
        self.relay = WebhookRelay(f"http://127.0.0.1:{self.api_port}/api/v1/webhooks/github")
        self.secret, self.token = home / "webhook.secret", home / "forge.token"
        self.forge = ChaosForge(home / "forge", WebhookConfig(self.relay.url, self.secret))
        self.audit = OverlapAudit(home / "audit")
        self.clock = Clock(home / "clock")
        self.disks = {"state": Disk(home / "eph" / "backend", 64), "ledger": Disk(home / "ledger", 16)}
        self.cpu_clock = CpuShareClock()
        self.http = httpx.Client(timeout=5, trust_env=False)
        self.daemon: subprocess.Popen[bytes] | None = None
        self.repository_ids: dict[str, int] = {}
        self.start_count = 0
        self.was_killed = False
        self.saw_refusal = False
        """The Git host said 403 or 404: a permission that was taken away looks like that."""
        self.unexpected_exits: list[str] = []
        self._not_before = 0.0
        self._scheduled: list[ScheduledAction] = []

    # --- the world

    def open(self) -> None:
        (self.home / "tmp").mkdir(mode=0o1777)
        self.secret.write_text("chaos-webhook-secret-0123456789abcdef")
        self.forge.start(process=True)
        files = {path.name: path.read_text() for path in APP.iterdir() if path.is_file()}
        self.repository_ids = {name: self.forge.create_repository(name, files) for name in REPOSITORIES}
        self.token.write_text(self.forge.token("eph-bot"))
        for path in (self.secret, self.token):
            path.chmod(0o600)
        (self.home / "eph.toml").write_text(self._toml())
        found = pulumi_cli.find()
        self._path = os.pathsep.join([str(self.audit.install(found.pulumi)), found.path, os.environ["PATH"]])
        self.launch()

    def _toml(self) -> str:
        return (
            f'home = "{self.eph_home}"\ninterval = {INTERVAL}\nworkers = 1\ndeadline = 60\n'
            f'ledger_url = "sqlite:///{self.ledger}"\n'
            f'listen = "127.0.0.1:{self.api_port}"\ngateway_listen = "127.0.0.1:{self.gateway_port}"\n'
            f"[limits]\nconcurrent = 2\n"
            f'[deploys]\nper_app = {DEPLOYS_PER_APP}\nidle = "3h"\n'
            f'[forge]\nurl = "{self.forge.for_eph}"\ntoken_file = "{self.token}"\n'
            f'webhook_secret_file = "{self.secret}"\nrepositories = {json.dumps(REPOSITORIES)}\n'
            f'[local]\ntoolbox = {json.dumps(demo_world.python_prefixes())}\npath = "{demo_world.search_path()}"\n'
        )

    @property
    def ledger(self) -> Path:
        return self.home / "ledger" / "ledger.db"

    @property
    def backend(self) -> Path:
        return self.eph_home / "backend" / ".pulumi"

    @property
    def environ(self) -> dict[str, str]:
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("EPH_", "PULUMI_", "XDG_"))}
        return {
            **kept,
            "PYTHONPATH": str(ROOT),  # this tree's Eph, wherever the installed one may lie
            "TMPDIR": str(self.home / "tmp"),
            "XDG_CONFIG_HOME": str(self.home / "config"),
            "PATH": self._path,
            **self.clock.environ,
        }

    # --- ephd, brought back whenever it ends

    def launch(self) -> None:
        self.start_count += 1
        self.was_killed = False
        with (self.home / f"ephd.{self.start_count}.log").open("wb") as log:
            self.daemon = subprocess.Popen(
                [sys.executable, "-m", "orchestrator.app", "--config", str(self.home / "eph.toml")],
                cwd=ROOT, env=self.environ, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip

    def kill_ephd(self, down_for: float) -> None:
        if self.daemon and self.daemon.poll() is None:
            self.was_killed = True
            self.daemon.kill()
            self.daemon.wait(10)
        self._not_before = time.monotonic() + down_for

    def schedule(self, seconds: float, do: Callable[[], object]) -> None:
        self._scheduled.append(ScheduledAction(time.monotonic() + seconds, do))

    def supervise(self) -> None:
        """Brings ephd back, and undoes what is due."""
        self.cpu_clock.update()
        now = time.monotonic()
        for item in [item for item in self._scheduled if item.at <= now]:
            self._scheduled.remove(item)
            item.action()
        if self.daemon and self.daemon.poll() is not None and now >= self._not_before:
            if not self.was_killed:
                self.unexpected_exits.append(
                    f"ephd ended by itself with {self.daemon.returncode}: {self.log_tail(400)}"
                )
                self._not_before = now + 1.0
                self.was_killed = True
                return
            self.launch()

    def wait(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        self.supervise()
        while (left := end - time.monotonic()) > 0:
            time.sleep(min(0.1, left))
            self.supervise()

    def end_faults(self) -> None:
        """The quiet after the storm: everything that was to be undone later is undone now, and the Git host is well."""
        for item in self._scheduled:
            item.at = 0.0
        self._not_before = 0.0
        self.supervise()
        self.forge.fail_next(0)
        self.relay.disrupt("", 0)

    # --- looking

    def log_tail(self, limit: int = 3000) -> str:
        return (self.home / f"ephd.{self.start_count}.log").read_text(errors="replace")[-limit:]

    def api(self, path: str, method: str = "GET", **query: str) -> Any:
        answer = self.request(method, path, params=query)
        answer.raise_for_status()
        return answer.json()

    def request(self, method: str, path: str, **how: Any) -> httpx.Response:
        token = (self.eph_home / "keys" / "api.token").read_text().strip()
        url = f"http://127.0.0.1:{self.api_port}/api/v1/{path}"
        return self.http.request(method, url, headers={"Authorization": f"Bearer {token}"}, **how)

    def page(self, host: str) -> tuple[int, str]:
        try:
            answer = self.http.get(f"http://127.0.0.1:{self.gateway_port}/", headers={"Host": host})
        except httpx.HTTPError as error:
            return 0, type(error).__name__
        return answer.status_code, answer.text

    @property
    def local(self) -> dict[str, str]:
        return {"root": str(self.eph_home / "local"), "routes": str(self.eph_home / "gateway" / "routes")}

    def processes(self, *words: str) -> list[int]:
        """Of this run, by words that all stand in the command line."""
        found = []
        for pid in leak_check.processes(str(self.home)):
            line = process_table.command_line(pid)
            if line and all(word in line for word in words):
                found.append(pid)
        return sorted(found)

    # --- the end

    def stop_ephd(self) -> str:
        """As an operator stops it; an empty word when it went well."""
        if self.daemon is None or self.daemon.poll() is not None:
            return "ephd was not there to be stopped"
        self.daemon.send_signal(signal.SIGTERM)
        self.cpu_clock.update()
        end = self.cpu_clock.now + STOP_SECONDS
        while (code := self.daemon.poll()) is None:
            if self.cpu_clock.now > end:
                self.daemon.kill()
                self.daemon.wait(10)
                return f"ephd did not stop within {STOP_SECONDS:.0f} s of SIGTERM"
            time.sleep(0.05)
            self.cpu_clock.update()
        return "" if code == 0 else f"ephd ended with {code} when asked to stop: {self.log_tail(600)}"

    def close(self) -> list[str]:
        """Ends everything; gives what would have stayed."""
        if self.daemon and self.daemon.poll() is None:
            self.daemon.kill()
            self.daemon.wait(10)
        with contextlib.suppress(Exception):
            registry.get("local").stop(self.local)
        for pid in self.processes("orchestrator.gateway"):
            _kill(pid, signal.SIGTERM)
        self.forge.close()
        self.relay.close()
        self.http.close()
        return self._kill_remaining()

    def _kill_remaining(self) -> list[str]:
        end = time.monotonic() + 5
        while (left := leak_check.processes(str(self.home))) and time.monotonic() < end:
            time.sleep(0.1)
        found = []
        for pid in left:
            if line := process_table.command_line(pid):
                found.append(f"process {pid} outlived everything: {line[:200]}")
                _kill(pid, signal.SIGKILL)
        return found


def _kill(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


@contextlib.contextmanager
def running_site() -> Iterator[ChaosSite]:
    """The folder is the caller's to remove: after a failure its logs are kept."""
    home = Path(tempfile.mkdtemp(prefix="eph-chaos-"))
    home.chmod(0o755)
    site = ChaosSite(home)
    try:
        site.open()
        yield site
    except BaseException:  # cut short: nobody is left to look at it
        site.close()
        remove(site)
        raise


def remove(site: ChaosSite) -> None:
    for disk in site.disks.values():
        disk.unmount()
    shutil.rmtree(site.home, ignore_errors=True)


def preserve(site: ChaosSite) -> Path:
    """Of a failed run: logs, the audit and what Eph wrote of itself; not the Git host, databases and tokens."""
    home = site.home
    kept = home.with_name(f"{home.name}-kept")
    drop = shutil.ignore_patterns(
        "forge", "postgres", "mirrors", "envs", "keys", "*.token", "*.secret", "plugins", "launch", "*.sock"
    )
    shutil.copytree(home, kept, ignore=drop, ignore_dangling_symlinks=True, symlinks=True)
    remove(site)
    return kept
