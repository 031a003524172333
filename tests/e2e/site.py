"""A whole Eph for a test file: the real ``ephd`` in its own process, with a sandbox forge.

Tests use it only from outside: by git, labels and comments, over HTTP by host name, with ``eph``, by signals, and by
looking at the machine.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from orchestrator.demo import demo_world, leak_check
from orchestrator.demo.free_ports import free_port
from orchestrator.demo.github.demo_github import DemoGitHub, Files, WebhookConfig
from programs import registry
from programs.kit import trees
from programs.targets.local import settings as local_settings
from stacks.toolchain import pulumi_cli
from tests.e2e.previews import Page, Preview
from tests.e2e.survivors import kill_survivors
from tests.file_trees import all_files

SHOP = Path(__file__).parent / "shop"
ROOT = Path(__file__).parents[2]
REPOSITORY = "acme/shop"
LABEL = "preview"
CYCLE = 5.0
START_TIMEOUT = 120.0
FIRST_CYCLE_TIMEOUT = 20.0
CREATE_TIMEOUT = 90.0
REPORT_TIMEOUT = 40.0
POLL_INTERVAL = 0.05
COMMENT_MARKER = "<!-- eph:"
_HOST = re.compile(r"http://(?P<host>[a-z0-9-]+(?:\.[a-z0-9-]+)+)(?::\d+)?")


def shop_files() -> dict[str, str]:
    """The files of the sample repository."""
    return {str(path.relative_to(SHOP)): path.read_text() for path in sorted(SHOP.rglob("*.*")) if path.is_file()}


def wait_until(what: str, problem: Callable[[], str], seconds: float = REPORT_TIMEOUT) -> float:
    """Waits until ``problem`` returns an empty string, and returns the seconds."""
    began = time.monotonic()
    while said := problem():
        if time.monotonic() - began > seconds:
            raise AssertionError(f"{what}: not within {seconds:.0f} s; {said}")
        time.sleep(POLL_INTERVAL)
    return time.monotonic() - began


Git = Callable[..., str]


class Site:
    """``home`` contains everything: the forge, Eph's own home, its logs, temporary files."""

    domains: tuple[str, ...] = ()
    """More domains that repositories can select."""

    def __init__(
        self, home: Path, webhooks: bool = True, ledger_url: str = "", local: str = "", files: Files | None = None
    ) -> None:
        self.home = home
        self.repository_files = files or shop_files()
        self.ledger_url = ledger_url
        self.local_toml = local
        self.eph_home = home / "eph"
        self.api_port, self.gateway_port = free_port(), free_port()
        self.secret = home / "webhook.secret"
        self.token = home / "forge.token"
        hook = WebhookConfig(f"http://127.0.0.1:{self.api_port}/api/v1/webhooks/github", self.secret)
        self.forge = DemoGitHub(home / "forge", hook if webhooks else None)
        self.tools = pulumi_cli.find()
        self.http = httpx.Client(timeout=60, trust_env=False)
        self.daemon: subprocess.Popen[bytes] | None = None
        self.start_count = 0

    # --- the service

    def open(self) -> None:
        (self.home / "tmp").mkdir(mode=0o1777)
        self.secret.write_text("0123456789abcdef-webhook-secret")
        self.secret.chmod(0o600)
        self.forge.start(process=True)
        self.forge.create_repository(REPOSITORY, self.repository_files)
        self.token.write_text(self.forge.token("eph-bot"))
        self.token.chmod(0o600)
        (self.home / "eph.toml").write_text(self._toml())
        self.start()

    def _toml(self) -> str:
        toolbox = json.dumps(demo_world.python_prefixes())
        return (
            f'home = "{self.eph_home}"\ninterval = {CYCLE}\nledger_url = "{self.ledger_url}"\n'
            f"domains = {json.dumps(self.domains)}\n"
            f'listen = "127.0.0.1:{self.api_port}"\ngateway_listen = "127.0.0.1:{self.gateway_port}"\nworkers = 2\n'
            f'[forge]\nurl = "{self.forge.api_url}"\ntoken_file = "{self.token}"\n'
            f'webhook_secret_file = "{self.secret}"\nrepositories = ["{REPOSITORY}"]\n'
            f'[local]\ntoolbox = {toolbox}\npath = "{demo_world.search_path()}"\n'
            + self.local_toml.replace("{gateway_port}", str(self.gateway_port))
        )

    @property
    def environ(self) -> dict[str, str]:
        """The environment of everything started for the site, so that it finds this Eph and no other."""
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("EPH_", "PULUMI_", "XDG_"))}
        own = {"TMPDIR": str(self.home / "tmp"), "XDG_CONFIG_HOME": str(self.home / "config"), "NO_COLOR": "1"}
        return {**kept, **own, "PATH": os.pathsep.join([self.tools.path, os.environ["PATH"]]), "COLUMNS": "200"}

    def launch(self) -> None:
        """Starts ephd without waiting."""
        self.start_count += 1
        with (self.home / f"ephd.{self.start_count}.log").open("wb") as log:
            self.daemon = subprocess.Popen(
                [sys.executable, "-m", "orchestrator.app", "--config", str(self.home / "eph.toml")],
                cwd=ROOT, env=self.environ, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip

    def start(self) -> None:
        self.launch()
        wait_until("ephd answers", self._startup_error, START_TIMEOUT)
        self._wait_for_first_cycle()

    def _wait_for_first_cycle(self) -> None:
        """Before it, the API responds with 503 to everything about environments. A test in which no cycle can finish
        goes on all the same."""
        end = time.monotonic() + FIRST_CYCLE_TIMEOUT
        while time.monotonic() < end and self.http.get(self.api_url("readyz")).status_code == 503:
            time.sleep(0.05)

    def _startup_error(self) -> str:
        assert self.daemon
        if self.daemon.poll() is not None:
            pytest.fail(f"ephd ended with {self.daemon.returncode}: {self.log_tail()}")
        try:
            self.http.get(self.api_url("healthz")).raise_for_status()
        except httpx.HTTPError as error:
            return f"{error}; {self.log_tail()}"
        return ""

    def log_tail(self) -> str:
        return (self.home / f"ephd.{self.start_count}.log").read_text(errors="replace")[-3000:]

    def kill(self) -> None:
        """Like the kernel's OOM killer: ephd alone, immediately."""
        assert self.daemon
        self.daemon.send_signal(signal.SIGKILL)
        self.daemon.wait(60)

    def stop(self) -> int:
        assert self.daemon
        if self.daemon.poll() is None:
            self.daemon.send_signal(signal.SIGTERM)
        return self.daemon.wait(60)

    def close(self) -> None:
        """Stops everything, and checks that nothing is left."""
        with contextlib.ExitStack() as last:
            last.callback(self.http.close)
            last.callback(self.forge.close)
            last.callback(registry.get("local").stop, self.local)
            if self.daemon:
                self.stop()
        for pid in leak_check.processes(f"{self.eph_home}/gateway"):
            os.kill(pid, signal.SIGTERM)

    # --- verbs of users

    def commit_by_git(self, repository: str, branch: str, work: Path, change: Callable[[Git], None]) -> str:
        """Uses git itself, because the forge's own verbs create no links, no submodules and no unusual names. Commits
        to the branch if it exists, otherwise to a new one from main."""
        bare = self.home / "forge" / "git" / f"{repository}.git"

        def git(*words: str) -> str:
            told = ["-c", "user.name=ada", "-c", "user.email=ada@example.com", "-C", str(work), *words]
            return subprocess.run(["git", *told], check=True, capture_output=True, text=True).stdout.strip()

        work.mkdir(parents=True, exist_ok=True)
        git("clone", "--quiet", str(bare), ".")
        if branch in git("branch", "--remotes"):
            git("checkout", "--quiet", branch)
        change(git)
        git("commit", "--quiet", "--allow-empty", "-m", "By git")
        git("push", "--quiet", "origin", f"HEAD:refs/heads/{branch}")
        return git("rev-parse", "HEAD")

    def open_pull(self, branch: str, files: Files | None = None, label: bool = True) -> tuple[int, str]:
        sha = self.forge.push(REPOSITORY, branch, files or {"note.txt": branch})
        number = self.forge.open_pull(REPOSITORY, branch)
        if label:
            self.forge.label(REPOSITORY, number, LABEL)
        return number, sha

    def preview(self, branch: str, files: Files | None = None) -> Preview:
        """A new pull request whose environment responds."""
        return self.wait_for_preview(branch, *self.open_pull(branch, files))

    def wait_for_preview(self, branch: str, number: int, sha: str, timeout: float = CREATE_TIMEOUT) -> Preview:
        made = Preview(number, branch, self.wait_for_host(number, timeout), sha)
        self.wait_for_commit(made, sha, timeout)
        return made

    def push(self, preview: Preview, files: Files) -> str:
        return self.forge.push(REPOSITORY, preview.branch, files)

    def wait_for_commit(self, preview: Preview, sha: str, timeout: float = CREATE_TIMEOUT) -> float:
        """Waits until the URL serves this commit and the pull request says so."""
        took = wait_until(
            f"#{preview.number} answers with {sha[:7]}", lambda: self._commit_mismatch(preview, sha), timeout
        )
        self.wait_for_comment(preview.number, "Ready", sha[:7])
        return took

    def _commit_mismatch(self, preview: Preview, sha: str) -> str:
        page = self.page(preview.host)
        runs = page.data.get("commit")
        return (
            ""
            if runs == sha
            else f"{page.status} {page.text[:200]!r}; {self.comment(preview.number)}; {self.log_tail()}"
        )

    def wait_for_comment(self, number: int, *parts: str, timeout: float = REPORT_TIMEOUT) -> str:
        """Waits until Eph's comment contains all parts, and returns it."""

        def wrong() -> str:
            body = self.comment(number)
            missing = [part for part in parts if part not in body]
            return f"the comment of #{number} lacks {missing}: {body}" if missing else ""

        wait_until(f"#{number} is told", wrong, timeout)
        return self.comment(number)

    def wait_until_asleep(self, preview: Preview) -> None:
        """Its pull request says so already while its processes are being stopped, so both are awaited."""
        self.wait_for_comment(preview.number, "Asleep", "/eph wake", timeout=60)
        wait_until("nothing of it runs", lambda: str(leak_check.processes(f"/{preview.name}/home") or ""))

    def wait_for_check(self, sha: str, conclusion: str) -> None:
        """Waits for Eph's check on that exact commit."""

        def wrong() -> str:
            found = self.forge.checks(REPOSITORY, sha)
            return "" if found.get("eph/preview") == conclusion else f"checks of {sha[:7]}: {found}"

        wait_until(f"{sha[:7]} is checked", wrong)

    def comment(self, number: int) -> str:
        bodies = [item["body"] for item in self.forge.comments(REPOSITORY, number) if COMMENT_MARKER in item["body"]]
        assert len(bodies) <= 1, f"#{number} has {len(bodies)} comments of Eph's"
        return bodies[0] if bodies else ""

    def wait_for_host(self, number: int, timeout: float = CREATE_TIMEOUT) -> str:
        """The host name that the pull request shows, because it can't be guessed."""
        found: list[str] = []

        def wrong() -> str:
            body = self.comment(number)
            found.extend(match["host"] for match in _HOST.finditer(body))
            return "" if found else f"no URL in {body!r}; {self.log_tail()}"

        wait_until(f"#{number} has a URL", wrong, timeout)
        return found[0]

    def page(self, host: str, path: str = "/", **query: str) -> Page:
        url = f"http://127.0.0.1:{self.gateway_port}{path}"
        try:
            answer = self.http.get(url, params=query, headers={"Host": host})
        except httpx.HTTPError as error:
            return Page(0, f"{type(error).__name__}: {error}")
        return Page(answer.status_code, answer.text, answer.headers)

    def wait_until_gone(self, preview: Preview, timeout: float = CREATE_TIMEOUT) -> None:
        """Waits until nothing of the environment is left on this machine."""
        wait_until(f"{preview.name} is gone", lambda: "; ".join(self.remains_of(preview.name)), timeout)

    # --- verbs of operators

    def api_url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.api_port}/{path}"

    @property
    def api_token(self) -> str:
        return (self.eph_home / "keys" / "api.token").read_text().strip()

    def api(self, path: str, **query: str) -> Any:
        headers = {"Authorization": f"Bearer {self.api_token}"}
        answer = self.http.get(self.api_url(f"api/v1/{path}"), params=query, headers=headers)
        answer.raise_for_status()
        return answer.json()

    def eph(self, *words: str, folder: Path = ROOT) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "orchestrator.cli.main", *words]
        return subprocess.run(
            command, cwd=folder, env=self.environ, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=90
        )

    def wait_for_log(self, name: str, part: str) -> None:
        """Waits until the output of its services has it: supervisord writes it to their log a moment later."""

        def missing() -> str:
            told = self.eph("logs", name)
            return "" if part in told.stdout else f"{told.stdout[-500:]}{told.stderr}"

        wait_until(f"{name} logs {part!r}", missing)

    def pulumi(self, *words: str) -> str:
        """With the environment that Eph prints for people."""
        keys = self.eph_home / "keys"
        passphrase = next(path for path in keys.iterdir() if "passphrase" in path.name)
        env = {
            **self.environ,
            "PULUMI_BACKEND_URL": f"file://{self.eph_home}/backend?metadata=skip&no_tmp_dir=true",
            "PULUMI_CONFIG_PASSPHRASE_FILE": str(passphrase),
            "PULUMI_HOME": str(self.eph_home / "pulumi"),
            "PULUMI_SKIP_UPDATE_CHECK": "1",
        }
        done = subprocess.run(["pulumi", *words], cwd=self.home, env=env, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        return done.stdout

    # --- the machine

    @property
    def local(self) -> dict[str, str]:
        return {"root": str(self.eph_home / "local"), "routes": str(self.eph_home / "gateway" / "routes")}

    @property
    def target_settings(self) -> local_settings.LocalSettings:
        return local_settings.from_mapping(self.local)

    def remains_of(self, *names: str) -> list[str]:
        """What exists of these environments anywhere on this machine, independent of any records."""
        found = [f"process {pid} of {name}" for name in names for pid in leak_check.processes(name)]
        found += [line for line in registry.get("local").list_remaining(self.local) if self._mentions(line, names)]
        places = (self.eph_home / "local", self.eph_home / "gateway" / "routes")
        return found + [f"path {path}" for place in places for path in leak_check.paths_named(place, names)]

    @staticmethod
    def _mentions(line: str, names: tuple[str, ...]) -> bool:
        return any(name in line or name.replace("-", "_") in line for name in names)

    def stacks(self) -> list[int]:
        """The numbers of all pull requests that have a stack."""
        found = (self.eph_home / "backend" / ".pulumi" / "stacks").glob("*/pr-*.json")
        return sorted(int(path.stem.removeprefix("pr-")) for path in found)

    def stack_files(self, number: int) -> list[Path]:
        """State, tags, locks, history: everything that the backend stores about a pull request."""
        backend = self.eph_home / "backend"
        return [
            path
            for path in all_files(backend)
            if f"pr-{number}" in {path.stem, path.name, *path.parts, path.name.partition(".")[0]}
        ]


@contextlib.contextmanager
def running_site(
    webhooks: bool = True,
    ledger_url: str = "",
    local: str = "",
    files: Files | None = None,
    domains: tuple[str, ...] = (),
) -> Iterator[Site]:
    """Stops everything at the end; leftovers fail the tests that used it. ``local``: more settings of that target, in
    which ``{gateway_port}`` stands for the gateway's. ``files``: the repository's, instead of the sample shop."""
    home = Path(tempfile.mkdtemp(prefix="eph-e2e-"))
    home.chmod(0o755)
    site = Site(home, webhooks, ledger_url, local, files)
    site.domains = domains
    try:
        site.open()
        yield site
    finally:
        site.close()
        left = kill_survivors(home)
        with contextlib.suppress(trees.TreeNotRemoved):
            trees.remove_tree(home)  # which is as deep as an attack made it
    assert left == {}
