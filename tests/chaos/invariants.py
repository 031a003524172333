"""The invariants, looked at from outside: the Git host says what should be, the machine says what is."""

from __future__ import annotations

import contextlib
import json
import re
import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import httpx

from programs import registry
from programs.kit.processes import process_table
from stacks import names
from stacks.model import StackRef
from tests.chaos import reported_state
from tests.chaos.deploys.deploy_invariants import DeployInvariants
from tests.chaos.outcomes import Problem
from tests.chaos.people import LABEL, People
from tests.chaos.reported_state import DesiredEnvironment
from tests.chaos.site import ChaosSite
from tests.file_trees import all_files

COMMENT_MARKER = "<!-- eph:"
_HOST = re.compile(r"http://(?P<host>[a-z0-9-]+(?:\.[a-z0-9-]+)+)(?::\d+)?")
_GONE_WORDS = ("Destroyed", "Not created", "Expired")


class InvariantChecker:
    def __init__(self, site: ChaosSite, people: People, deploys: DeployInvariants) -> None:
        self._site = site
        self._people = people
        self._deploys = deploys

    def check(self, everything: bool = False) -> list[Problem]:
        """What is wrong now; empty when all is as it should be. As long as something is wrong with what people see
        first, only ``everything`` looks at the rest."""
        if self._site.daemon is None or self._site.daemon.poll() is not None:
            return [Problem("stuck", "ephd is not there")]
        pulls = [
            (name := self._people.current_name(one.repository), self._site.forge.pull(name, one.number))
            for one in self._people.pulls
        ]
        wanted = _desired(pulls)
        called: dict[str, str] = {}
        found: list[Problem] = []
        for one in wanted:
            found += self._check_environment(one, called)
        found += self._other_comments(wanted)
        found += self._deploys.check()
        if found and not everything:
            return found
        deployed = self._deploys.wanted()
        keys, environments = {one.key for one in deployed}, {one.name for one in deployed}
        found += self._check_backend({one.stack for one in wanted} | keys)
        found += self._check_machine(set(called.values()) | environments) if len(called) == len(wanted) else []
        found += self._check_operations({one.stack for one in _labelled(pulls)} | keys)
        found += reported_state.problems(self._site, pulls, wanted, called)
        return found

    def untrue_reports(self) -> list[str]:
        """What is shown as ready and does not answer so: it may be said for two cycles, and no longer."""
        return reported_state.untrue_reports(self._site)

    # --- what should be

    def _check_environment(self, desired: DesiredEnvironment, names_by_stack: dict[str, str]) -> Iterator[Problem]:
        what = f"{desired.repository}#{desired.number}"
        bodies = self._eph_comments(desired.repository, desired.number)
        if len(bodies) > 1:
            yield Problem("stuck", f"{what} has {len(bodies)} comments of Eph's")
        body = bodies[0] if bodies else ""
        host = _HOST.search(body)
        if host is None:
            yield Problem("lost" if not body else "stuck", f"{what}: its comment names no URL: {body[:300]!r}")
            return
        names_by_stack[desired.stack] = host["host"].partition(".")[0]
        status, text = self._site.page(host["host"])
        runs = reported_state.commit_in_page(text) if status == 200 else ""
        if runs != desired.commit:
            seen = runs[:7] or f"status {status}"
            yield Problem("stuck", f"{what} answers {seen}, and {desired.commit[:7]} is wanted: {body[:500]!r}")
        elif "Ready" not in body.partition("\n")[0] or desired.commit[:7] not in body:
            yield Problem("stuck", f"{what} answers {desired.commit[:7]}, and its comment says: {body[:300]!r}")

    def _other_comments(self, desired: list[DesiredEnvironment]) -> Iterator[Problem]:
        known = {(one.repository, one.number) for one in desired}
        for pull in self._people.pulls:
            name = self._people.current_name(pull.repository)
            if (name, pull.number) in known:
                continue
            bodies = self._eph_comments(name, pull.number)
            if len(bodies) > 1:
                yield Problem("stuck", f"{name}#{pull.number} has {len(bodies)} comments of Eph's")
            for body in bodies[:1]:
                if not any(word in body.partition("\n")[0] for word in _GONE_WORDS):
                    yield Problem("stuck", f"{name}#{pull.number} wants none, and its comment says: {body[:300]!r}")

    def _eph_comments(self, repository: str, number: int) -> list[str]:
        return [
            item["body"] for item in self._site.forge.comments(repository, number) if COMMENT_MARKER in item["body"]
        ]

    # --- what is

    def _check_backend(self, desired_stacks: set[str]) -> Iterator[Problem]:
        """States, tags, locks, histories: of the wanted ones, and of nobody else."""
        root = self._site.eph_home / "backend" / ".pulumi"
        for path in all_files(root):
            if path.name == "meta.yaml":
                continue
            stack = _stack_key(path.relative_to(root))
            if "locks" in path.parts:
                yield Problem("stuck", f"a lock is left: {path.relative_to(root)}: {_read_text(path)[:200]}")
            elif stack not in desired_stacks:
                yield Problem("leaks", f"stack file {path.relative_to(root)} of nobody")
        for one in sorted(desired_stacks):
            if not any(_stack_key(path.relative_to(root)) == one for path in (root / "stacks").glob("*/*.json")):
                yield Problem("lost", f"{one} (repository's id and number) has no stack")

    def _check_machine(self, known: set[str]) -> Iterator[Problem]:
        """Every line that the machine's own inventory gives must be of a wanted environment, and of one generation."""
        try:
            lines = registry.get("local").list_remaining(self._site.local)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is what is wrong
            yield Problem("stuck", f"the machine could not be looked at: {type(error).__name__}: {error}")
            return
        for line in lines:
            if not any(_mentions(_with_process_details(line), name) for name in known):
                yield Problem("leaks", f"{line} of nobody")
        for name in sorted(known):
            for kind in ("program", "checkout", "port", "route", "database", "role", "launch file"):
                of_it = [line for line in lines if line.startswith(f"{kind} ") and _mentions(line, name)]
                of_it = [line for line in of_it if not line.startswith("program domain.")]
                if len(of_it) != 1:
                    yield Problem("leaks" if of_it else "lost", f"{name} has {len(of_it)} of {kind}: {of_it}")

    def _check_operations(self, desired_stacks: set[str]) -> Iterator[Problem]:
        for path in (self._site.eph_home / "operations").glob("*/*"):
            if any(path.glob("running.*.json")):
                yield Problem("stuck", f"an operation is under way: {path.parent.name}/{path.name}")
            elif _key(path.parent.name, path.name) not in desired_stacks:
                yield Problem("leaks", f"logs of operations of nobody: {path.parent.name}/{path.name}")

    # --- looked at once, at the end

    def overlaps(self) -> list[Problem]:
        return [Problem("overlaps", line) for line in self._site.audit.overlaps()]

    def secrets(self) -> list[Problem]:
        """In whatever people or programs are shown: logs, states, events, comments, answers of the API."""
        secrets = dict(_secrets(self._site))
        found = []
        for where, text in self._visible_texts():
            found += [Problem("secrets", f"{what} is in {where}") for what, secret in secrets.items() if secret in text]
        return found

    def _visible_texts(self) -> Iterator[tuple[str, str]]:
        for path in _files(self._site):
            yield str(path.relative_to(self._site.home)), _read_text(path)
        ledger = sqlite3.connect(self._site.ledger)
        with contextlib.suppress(sqlite3.Error), contextlib.closing(ledger):
            yield "the ledger", "\n".join(ledger.iterdump())
        for pull in self._people.pulls:
            name = self._people.current_name(pull.repository)
            comments = self._site.forge.comments(name, pull.number)
            yield f"a comment of {name}#{pull.number}", json.dumps(comments)
        yield from self._api_responses()

    def _api_responses(self) -> Iterator[tuple[str, str]]:
        with contextlib.suppress(httpx.HTTPError, OSError):
            listed = self._site.api("environments")
            yield "environments", json.dumps(listed)
            yield "events", json.dumps(self._site.api("events"))
            for item in listed["items"]:
                for path in (f"environments/{item['ref']}/logs", f"environments/{item['ref']}/why"):
                    with contextlib.suppress(httpx.HTTPError):
                        yield path, json.dumps(self._site.api(path))
                with contextlib.suppress(httpx.HTTPError):
                    path = f"environments/{item['ref']}/logs"
                    yield f"{path} of the operation", json.dumps(self._site.api(path, operation="true"))

    def leftovers_after_stop(self) -> list[Problem]:
        """ephd was asked to stop and did: nothing temporary of it may be left."""
        work = self._site.eph_home / "work"
        left = [*(self._site.home / "tmp").iterdir(), *(work.iterdir() if work.exists() else ())]
        return [Problem("leaks", f"temporary {path.relative_to(self._site.home)}") for path in left]


def _desired(pulls: list[reported_state.PullSnapshot]) -> list[DesiredEnvironment]:
    return _labelled([(name, state) for name, state in pulls if not state["draft"]])


def _labelled(pulls: list[reported_state.PullSnapshot]) -> list[DesiredEnvironment]:
    """With the label on. A draft gets none, is told so, and what was said of earlier tries can be read meanwhile."""
    found = []
    for name, state in pulls:
        labels = {label["name"] for label in state["labels"]}
        if state["state"] == "open" and LABEL in labels:
            stack = f"{state['base']['repo']['id']}#{state['number']}"
            found.append(DesiredEnvironment(name, state["number"], state["head"]["sha"], stack))
    return found


def _stack_key(path: Path) -> str:
    """The repository's id and the number that a file of the backend is about, read from its project and stack."""
    parts = path.parts
    project = next((part for part in parts if part.startswith("eph-")), "")
    after = parts[parts.index(project) + 1] if project and parts.index(project) + 1 < len(parts) else ""
    return _key(project, after.partition(".")[0])


def _key(project: str, stack: str) -> str:
    parsed = names.parse(StackRef(project, stack))
    return f"{parsed.repository}#{parsed.id}" if parsed else f"{project}/{stack}"


def _with_process_details(line: str) -> str:
    """Of a process the line shows the beginning of its command; whose it is may stand further on, or in what it was
    started with."""
    found = re.match(r"process (\d+):", line)
    if not found:
        return line
    pid = int(found[1])
    return f"{line} {process_table.command_line(pid)} {process_table.environment(pid)}"


def _mentions(line: str, name: str) -> bool:
    return name in line or name.replace("-", "_") in line


def _read_text(path: Path) -> str:
    try:
        return path.read_bytes().decode(errors="replace")
    except OSError:
        return ""


def _files(site: ChaosSite) -> Iterator[Path]:
    """Logs, states and records of ours. Not a service's own output: what it prints of itself is its own affair."""
    yield from site.home.glob("ephd.*.log")
    for folder in ("backend", "operations", "gateway", "pulumi", "work"):
        yield from (path for path in all_files(site.eph_home / folder) if _is_readable(path))


def _is_readable(path: Path) -> bool:
    with contextlib.suppress(OSError):
        return path.is_file() and not path.is_symlink() and path.stat().st_size < 5_000_000
    return False


def _secrets(site: ChaosSite) -> Iterator[tuple[str, str]]:
    yield "the webhook's secret", site.secret.read_text().strip()
    for login, token in json.loads((site.forge.root / "tokens.json").read_text()).items():
        yield f"the Git host's token of {login}", token
    for path in (site.eph_home / "keys").iterdir():
        text = _read_text(path).strip()
        if len(text) >= 12 and "\ufffd" not in text:
            yield f"the key {path.name}", text
    password = site.eph_home / "local" / "postgres" / "password"
    if password.exists():
        yield "PostgreSQL's administrator's password", password.read_text().strip()
    for path in (site.eph_home / "local" / "launch").glob("*.json"):
        yield from _passwords(path)


def _passwords(path: Path) -> Iterable[tuple[str, str]]:
    with contextlib.suppress(OSError, ValueError):
        launch: dict[str, Any] = json.loads(path.read_text())
        for name, value in launch.get("env", {}).items():
            found = re.search(r"://[^:/@]+:([^@]+)@", value)
            if found:
                yield f"the password in {name} of {path.stem}", found[1]
