"""A machine for the suite: a server's settings, the gateway, a stack store and real operations, in one folder."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit, urlunsplit

from orchestrator.config import server_keys
from orchestrator.config.eph_yaml.parsing import parse
from orchestrator.config.eph_yaml.recipe import RecipeContext, build_recipe
from orchestrator.config.settings.server_settings import ServerSettings
from orchestrator.conformance import wording
from orchestrator.conformance.commits import Commit, CommitRepository
from orchestrator.conformance.gateway_thread import serving_gateway
from orchestrator.conformance.operation_runner import FinishedOperation, OnStep, OperationRunner
from programs import registry
from programs.kit import files
from programs.registry import Target
from programs.spec import EnvironmentSpec, Secret
from stacks import keys, names
from stacks.backends import registry as backends
from stacks.model import Operation, OperationVerb, Outcome, StackRecord, StackRef, StackTag
from stacks.operations.wording import ACTION_LABELS
from stacks.operations.worker_settings import WorkerSettings
from stacks.toolchain import plugins, pulumi_cli

REPOSITORY_ID, REPOSITORY_NAME = 12345, "acme/conformance"
CREATING, UPDATING, REMOVING = (f"{ACTION_LABELS[action]} " for action in ("create", "update", "delete"))
"""What the lines of progress begin with that name a resource."""
VISIT_SECONDS = 5.0
POLL_SECONDS = 0.1
Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class MachineOptions:
    """What a suite says about its target. ``settings`` is the target's table of eph.toml."""

    target: str
    settings: Mapping[str, Any]
    images: Mapping[str, str]
    operation_seconds: float
    reading_seconds: float


@dataclass(frozen=True, slots=True)
class DeployedEnvironment:
    """An environment whose last update succeeded."""

    ref: StackRef
    spec: EnvironmentSpec
    finished: FinishedOperation
    record: StackRecord

    @property
    def name(self) -> str:
        return self.spec.name

    @property
    def url(self) -> str:
        return self.record.built.url if self.record.built else ""


class ConformanceMachine:
    """Numbers are those of pull requests: each is one environment."""

    def __init__(self, folder: Path, options: MachineOptions, server: ServerSettings) -> None:
        self.options = options
        self.target: Target = registry.get(options.target)
        self.server = server
        self.secret = f"conformance-{secrets.token_hex(12)}"
        self._repository = CommitRepository(folder / "repository")
        self.creation_steps: tuple[str, ...] = ()
        """The progress of the latest creation, a line for each resource."""
        self._deployed: dict[int, tuple[Commit, DeployedEnvironment]] = {}
        self._reader = ThreadPoolExecutor(1)
        self._tools = plugins.with_plugins(pulumi_cli.ensure(_ignore), [options.target], _ignore)
        self._worker = WorkerSettings(
            backend=backends.open_backend(server.stacks_url),
            work=server.work_dir,
            pulumi_home=server.pulumi_home,
            passphrase_file=server_keys.passphrase_file(server.keys_dir),
            tools=self._tools.path,
        )
        self._operations = OperationRunner(self._worker, self._tools.version, server.operations_dir)

    @cached_property
    def settings(self) -> Mapping[str, str]:
        """As the target's methods receive them."""
        return self.server.target_mapping(self.options.target, server_keys.server_id(self.server.keys_dir))

    # --- operations

    def deployed(self, commit: Commit, number: int) -> DeployedEnvironment:
        """The environment with this commit; it is only updated if it runs another one or doesn't answer."""
        before, environment = self._deployed.get(number, (None, None))
        if environment is not None and before == commit and commit.answers in self.get(environment):
            return environment
        return self.deploy(commit, number)

    def deploy(self, commit: Commit, number: int, refresh: bool = False) -> DeployedEnvironment:
        """Returns once the environment answers with the commit's text."""
        operation = replace(self.update(commit, number), refresh=refresh)
        is_new = self.record(operation.ref) is None
        finished = self.run(operation, number)
        _require_success(finished)
        assert operation.spec
        if is_new:
            self.creation_steps = tuple(line for line in finished.progress if line.startswith(CREATING))
        record = self.record(operation.ref)
        assert record, wording.no_state(operation.ref)
        environment = DeployedEnvironment(operation.ref, operation.spec, finished, record)
        self._deployed[number] = commit, environment
        self.wait_for(wording.answers(environment.url, commit.answers), lambda: commit.answers in self.get(environment))
        return environment

    def ensure_absent(self, number: int) -> None:
        if self.name(number) in self.names() or self.record(self.ref(number)):
            self.destroy(number)

    def destroy(self, number: int, refresh: bool = False) -> FinishedOperation:
        finished = self.run(replace(self.operation(OperationVerb.DESTROY, number), refresh=refresh), number)
        _require_success(finished)
        return finished

    def update(self, commit: Commit, number: int) -> Operation:
        """The operation that deploys a new commit with these files."""
        sha = self._repository.push(commit)
        operation = replace(self.operation(OperationVerb.UP, number), commit=sha)
        assert operation.tag
        spec = self._spec(commit, sha, number)
        tag = replace(operation.tag, commit=sha, name=spec.name)
        return replace(operation, tag=tag, spec=spec, name=spec.name)

    def repeat(self, environment: DeployedEnvironment) -> Operation:
        """The same update once more."""
        number = keys.parse_stack_name(REPOSITORY_ID, environment.ref.stack)
        assert number
        operation = self.operation(OperationVerb.UP, number.number)
        return replace(operation, spec=environment.spec, commit=environment.spec.source.commit)

    def operation(self, verb: OperationVerb, number: int) -> Operation:
        key = keys.pull_request(REPOSITORY_ID, number)
        name = self.name(number)
        tag = StackTag(key, REPOSITORY_NAME, name, "", "", datetime.now(UTC), target=self.options.target)
        return Operation(
            self.ref(number),
            verb,
            self.options.target,
            name,
            tag=None if verb is OperationVerb.DESTROY else tag,
            deadline=self.options.operation_seconds,
            settings=self.settings,
            hidden=(self.secret,),
        )

    def run(self, operation: Operation, number: int, kill_at: OnStep = lambda _: False) -> FinishedOperation:
        """Whatever ran before may have changed afterwards."""
        if operation.verb in (OperationVerb.UP, OperationVerb.DESTROY, OperationVerb.REFRESH):
            self._deployed.pop(number, None)
        return self._operations.run(operation, kill_at)

    def forget_state(self, number: int) -> None:
        """Deletes the stack's record, as if its store had been lost."""
        ref = self.ref(number)
        for path in sorted((self.server.shared_dir / "backend").glob(f"**/{ref.project}/{ref.stack}*")):
            files.remove(path)
        self._deployed.pop(number, None)
        assert self.record(ref) is None

    # --- what there is

    def name(self, number: int) -> str:
        return f"conformance-{self._words(number)}-{number}"

    def ref(self, number: int) -> StackRef:
        return names.stack_ref(keys.pull_request(REPOSITORY_ID, number), REPOSITORY_NAME)

    def record(self, ref: StackRef) -> StackRecord | None:
        return self._worker.backend.read(ref)

    def outputs(self, environment: DeployedEnvironment) -> dict[str, Any]:
        """All outputs, secret ones in plain text."""
        words = ["stack", "output", "--json", "--show-secrets", "--stack", f"organization/{environment.ref}"]
        kept = {name: value for name, value in os.environ.items() if not name.startswith("PULUMI_")}
        done = subprocess.run(
            [self._tools.pulumi, *words],
            env={**kept, **self._worker.environment()},
            cwd=self.server.home,
            capture_output=True,
            text=True,
            check=True,
        )
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    def kept_texts(self) -> Iterator[tuple[Path, str]]:
        """What Eph keeps of stacks and operations: states, histories, logs and results."""
        for folder in (self.server.shared_dir / "backend", self.server.operations_dir, self.server.work_dir):
            for path in filter(Path.is_file, folder.rglob("*")):
                with contextlib.suppress(FileNotFoundError):
                    yield path, path.read_text(errors="replace")

    def read(self, reading: Callable[[], Value]) -> Value:
        """The result of a method that the loop calls; it must return in time."""
        return self._reader.submit(reading).result(self.options.reading_seconds)

    def names(self) -> frozenset[str]:
        return self.read(lambda: self.target.list_environments(self.settings))

    def remaining(self, name: str = "") -> list[str]:
        """What the target still has of an environment, or of all."""
        return [line for line in self.read(lambda: self.target.list_remaining(self.settings)) if name in line]

    def get(self, environment: DeployedEnvironment) -> str:
        return self.fetch(environment.url)

    def fetch(self, url: str) -> str:
        """The page at a URL. Empty if it can't be reached or reports an error. Hosts below localhost need no DNS."""
        parts = urlsplit(url)
        request = urllib.request.Request(url)
        if (parts.hostname or "").endswith(".localhost"):
            address = urlunsplit(parts._replace(netloc=f"127.0.0.1:{parts.port or 80}"))
            request = urllib.request.Request(address, headers={"Host": parts.netloc})
        try:
            with urllib.request.urlopen(request, timeout=VISIT_SECONDS) as response:
                text: bytes = response.read()
        except OSError:
            return ""
        return text.decode(errors="replace")

    def wait_for(self, description: str, condition: Callable[[], object]) -> None:
        seconds = self.options.operation_seconds
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, wording.timed_out(seconds, description)
            time.sleep(POLL_SECONDS)

    def close(self) -> list[str]:
        """Purges the environments that tests left, and stops everything. Returns what remains of environments."""
        try:
            for name in self.names():
                self.target.purge(name, self.settings)
            return self.remaining()
        finally:
            self._operations.close()
            self._reader.shutdown()
            self.target.stop(self.settings)

    def _words(self, number: int) -> str:
        key = keys.pull_request(REPOSITORY_ID, number)
        return names.unguessable_words(server_keys.server_key(self.server.keys_dir), key)

    def _spec(self, commit: Commit, sha: str, number: int) -> EnvironmentSpec:
        """What Eph makes of the commit's eph.yaml, with a secret that must not appear anywhere."""
        context = RecipeContext(
            key=keys.pull_request(REPOSITORY_ID, number),
            repository_name=REPOSITORY_NAME,
            head_sha=sha,
            head_ref="main",
            clone_url=str(self._repository.bare),
            random_words=self._words(number),
            existing_name=self.name(number),
            target_settings=self.settings,
        )
        recipe = build_recipe(parse(commit.files["eph.yaml"].encode()), context, self.server.admission_policy())
        hidden = {"CONFORMANCE_SECRET": Secret("conformance", "mark", self.secret)}
        return replace(recipe.spec, secrets=hidden, images=dict(self.options.images))


@contextlib.contextmanager
def running_machine(folder: Path, options: MachineOptions) -> Iterator[ConformanceMachine]:
    """Nothing of its environments may remain at the end."""
    server = _server(folder, options, port=0)
    server.routes_dir.mkdir(parents=True)
    with serving_gateway(server.routes_dir) as port:
        machine = ConformanceMachine(folder, options, _server(folder, options, port))
        try:
            yield machine
        finally:
            left = machine.close()
    assert left == [], wording.LEFT_AFTER_PURGE


def _server(folder: Path, options: MachineOptions, port: int) -> ServerSettings:
    tables: dict[str, Any] = {options.target: dict(options.settings)} if options.settings else {}
    targets = {"default": options.target, "allowed": [options.target]}
    return ServerSettings(
        home=folder / "home", gateway_listen=f"127.0.0.1:{port}", listen="127.0.0.1:0", targets=targets, **tables
    )


def _require_success(finished: FinishedOperation) -> None:
    result = finished.result
    lines = [*result.tail, *finished.progress[-20:]]
    assert result.outcome is Outcome.SUCCEEDED, wording.operation_failed(result.verb, result.error, lines)


def _ignore(_: str) -> None:
    return
