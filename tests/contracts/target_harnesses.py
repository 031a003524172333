"""Environments of each target that resist their removal: what their code and their files can leave, without Pulumi."""

from __future__ import annotations

import contextlib
import importlib
import os
import secrets
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pytest

from orchestrator.conformance.hostile_files import hostile_tree
from programs.kit import files, routes
from programs.kit.git import checkouts
from programs.kit.processes import ports
from programs.kit.routes import RouteRecord
from programs.settings import ServerContext
from programs.spec import EnvironmentSpec, GitSource, ServiceSpec
from programs.targets.aws import tags
from programs.targets.aws.target import TARGET as AWS
from programs.targets.compose.settings_table import ComposeTargetSettings
from programs.targets.compose.target import TARGET as COMPOSE
from programs.targets.kubernetes.target import TARGET as KUBERNETES
from programs.targets.local import cleanup
from programs.targets.local import settings as local_settings
from programs.targets.local.settings import LocalSettings
from programs.targets.local.settings_table import LocalTargetSettings
from programs.targets.local.target import TARGET as LOCAL
from programs.targets.pipeline import names as pipeline_names
from programs.targets.pipeline.dag_folder import DagFolder
from programs.targets.program import addresses, projects
from programs.targets.program import settings as program_settings
from programs.targets.program.project_outputs import ProjectAddresses
from programs.targets.program.settings_table import ProgramTargetSettings
from programs.targets.program.target import TARGET as PROGRAM
from programs.targets.static import settings as static_settings
from programs.targets.static import sites
from programs.targets.static.settings_table import StaticTargetSettings
from programs.targets.static.target import TARGET as STATIC
from tests.targets.aws.aws_account import REGION, AwsAccount, marks, running_account
from tests.targets.compose import compose_machine
from tests.targets.compose.compose_machine import ComposeMachine
from tests.targets.kubernetes.fake_api_server import FakeApiServer
from tests.targets.local_machine import new_repository
from tests.targets.pipeline import pipeline_machine
from tests.targets.pipeline.pipeline_machine import PipelineMachine

ENDLESS_GRACE = 315_360_000


class TargetHarness(Protocol):
    """``settings`` as the target gets them from the server."""

    @property
    def settings(self) -> Mapping[str, str]: ...

    def create(self, name: str) -> None:
        """An environment as the target's program leaves it."""

    def make_hostile(self, name: str) -> None:
        """Everything that the environment's own code can do against its removal."""

    def update(self, name: str) -> None:
        """What an update does outside Pulumi."""


@dataclass
class LocalHarness:
    folder: Path
    settings: Mapping[str, str]
    process: subprocess.Popen[bytes] | None = None

    @property
    def _host(self) -> LocalSettings:
        return local_settings.from_mapping(self.settings)

    def create(self, name: str) -> None:
        files.make_folder(self._host.env(name) / "home" / "tmp")
        files.make_folder(self._host.env(name) / "src" / "one")
        port = ports.reserve(self._host, f"{name}.web.one")
        routes.write(self._host.routes, RouteRecord(f"{name}.localhost", f"http://127.0.0.1:{port}", name, "web", ""))

    def make_hostile(self, name: str) -> None:
        """And a process that ignores every signal that it can ignore."""
        home = self._host.env(name) / "home"
        hostile_tree(home)
        hostile_tree(self._host.env(name) / "src" / "one")
        self.process = subprocess.Popen(
            ["/bin/sh", "-c", "trap '' TERM INT HUP QUIT; while :; do sleep 1; done"],
            env={"HOME": str(home), "PATH": os.defpath},
            start_new_session=True,
        )

    def update(self, name: str) -> None:
        repository = new_repository(files.make_folder(self.folder / secrets.token_hex(4)))
        commit = repository.push({"file": "x"})
        checkouts.create(self._host, (str(repository.bare), commit), self._host.env(name) / "src" / "two")
        cleanup.remove_other_generations(self._host, name, keep="two")


@dataclass
class StaticHarness:
    folder: Path
    settings: Mapping[str, str]

    def create(self, name: str) -> None:
        repository = new_repository(files.make_folder(self.folder / secrets.token_hex(4)))
        commit = repository.push({"public/index.html": secrets.token_hex(4)})
        source = {"clone_url": str(repository.bare), "commit": commit, "generation": f"{commit[:12]}-aaaaaa"}
        site = {"folder": "public", "fallback": None, "host": f"{name}.localhost", "build": None}
        sites.publish(
            static_settings.from_mapping(self.settings), name, {**source, **site, "sign_in": False, "allow": ()}
        )

    def make_hostile(self, name: str) -> None:
        """What a build leaves in its home, and what an interrupted publication leaves beside the site."""
        environment = static_settings.from_mapping(self.settings).env(name)
        hostile_tree(environment / "home")
        hostile_tree(environment / "sites" / ".left")

    def update(self, name: str) -> None:
        self.create(name)


@dataclass
class ProgramHarness:
    """Environments whose project was never applied: those that were are in tests/targets/program."""

    settings: Mapping[str, str]

    def create(self, name: str) -> None:
        host = program_settings.from_mapping(self.settings)
        props = {"commit": "a" * 40, "host": f"{name}.localhost", "sign_in": False, "allow": ()}
        files.make_folder(host.env(name) / "home" / "state")
        addresses.publish(host, name, props, ProjectAddresses(), "")

    def make_hostile(self, name: str) -> None:
        """What a project leaves in its home, its state and its checkout."""
        environment = program_settings.from_mapping(self.settings).env(name)
        hostile_tree(environment / "home" / "state")
        hostile_tree(files.make_folder(environment / "src" / "one"))

    def update(self, name: str) -> None:
        self.create(name)
        host = program_settings.from_mapping(self.settings)
        assert not projects.is_complete(host, name), "nothing was applied"


@dataclass
class KubernetesHarness:
    api: FakeApiServer
    settings: Mapping[str, str]

    def create(self, name: str) -> None:
        space = self.api.put(f"v1/namespaces:{name}")
        self.api.objects[space]["status"] = {"phase": "Active"}
        self.api.put(f"apps/v1/deployments:{name}/web")
        self.api.grace[self.api.put(f"v1/pods:{name}/web-1")] = 5

    def make_hostile(self, name: str) -> None:
        """A pod of a version that accepted every grace period."""
        self.api.grace[self.api.put(f"v1/pods:{name}/web-2")] = ENDLESS_GRACE

    def update(self, name: str) -> None:
        source = GitSource("/origin.git", "a" * 40, "main")
        web = ServiceSpec("web", "", image="shop")
        KUBERNETES.prepare_update(
            EnvironmentSpec(name, f"{name}.test", "kubernetes", "shop", source, (web,), settings=self.settings)
        )


@dataclass
class FoldersHarness:
    """``environments`` is the module of the sample target, which isn't installed."""

    settings: Mapping[str, str]
    environments: Any

    def create(self, name: str) -> None:
        self.environments.write(self.settings, name, "hello", 0)
        self.environments.add_route(self.settings, name, f"{name}.localhost", "")

    def make_hostile(self, name: str) -> None:
        hostile_tree(self.environments.folder(self.settings, name))

    def update(self, name: str) -> None:
        self.environments.write(self.settings, name, "hello again", 0)


@dataclass
class AwsHarness:
    """What runs in a task can only fill what its role may write to: its bucket and its queue."""

    account: AwsAccount

    @property
    def settings(self) -> Mapping[str, str]:
        return self.account.settings()

    def create(self, name: str) -> None:
        label = {tag["Key"]: tag["Value"] for tag in tags.to_list(marks(name))}
        self.account.clients().client("sqs").create_queue(QueueName=f"eph-{name}", tags=label)
        bucket = {"LocationConstraint": REGION}
        client = self.account.clients().client("s3")
        client.create_bucket(Bucket=f"eph-{name}", CreateBucketConfiguration=bucket)
        client.put_bucket_tagging(Bucket=f"eph-{name}", Tagging={"TagSet": tags.to_list(marks(name))})

    def make_hostile(self, name: str) -> None:
        """Odd names, and a thousand levels of folders."""
        client = self.account.clients().client("s3")
        for key in ("-rf *", "a/" * 500, *(f"file-{number}" for number in range(1100))):
            client.put_object(Bucket=f"eph-{name}", Key=key, Body=b"x")

    def update(self, name: str) -> None:
        AWS.list_environments(self.settings)


@dataclass
class ComposeHarness:
    machine: ComposeMachine

    @property
    def settings(self) -> Mapping[str, str]:
        return self.machine.raw_settings

    def create(self, name: str) -> None:
        self.machine.publish(self.machine.push(), name)

    def make_hostile(self, name: str) -> None:
        """Processes that ignore signals and never end, a log that never stops, and oddly named files."""
        self.machine.run_in(name, "trap '' TERM INT HUP; while :; do sleep 1; done")
        self.machine.run_in(name, "while :; do echo flood >/proc/1/fd/1; done")
        self.machine.run_in(name, "cd /tmp; while mkdir -- '-rf *'; do cd -- '-rf *'; done")
        self.machine.run_in(name, "bomb() { bomb | bomb & }; bomb")

    def update(self, name: str) -> None:
        self.machine.publish(self.machine.push(more=secrets.token_hex(4)), name)


@dataclass
class PipelineHarness:
    machine: PipelineMachine

    @property
    def settings(self) -> Mapping[str, str]:
        return self.machine.strings

    def create(self, name: str) -> None:
        self.machine.deploy(name, {})

    def make_hostile(self, name: str) -> None:
        """What tasks can do: oddly named files where Airflow's user may write, many tables, and a session with a lock
        on one of them that never ends."""
        hostile_tree(DagFolder(self.machine.host, name).home)
        self.machine.lock_table(name, 'odd "name"; --')
        schema = pipeline_names.schema(name)
        for number in range(50):
            self.machine.warehouse.execute(f"CREATE TABLE {schema}.t{number} (x int)")
            self.machine.warehouse.execute(f"ALTER TABLE {schema}.t{number} OWNER TO {schema}")

    def update(self, name: str) -> None:
        self.machine.deploy(name, {})


@contextlib.contextmanager
def _pipeline(server: ServerContext, folder: Path) -> Iterator[TargetHarness]:
    with pipeline_machine.pipeline_machine() as machine:
        yield PipelineHarness(machine)
        assert machine.warehouse.leftovers() == []


@contextlib.contextmanager
def _aws(server: ServerContext, folder: Path) -> Iterator[TargetHarness]:
    with pytest.MonkeyPatch.context() as patch, running_account(patch) as account:
        yield AwsHarness(account)


@contextlib.contextmanager
def _compose(server: ServerContext, folder: Path) -> Iterator[TargetHarness]:
    with compose_machine.running_engine() as socket:
        chosen = ComposeTargetSettings(socket=socket, compose=compose_machine.compose_program(), pids=200, cpu="500m")
        repository = new_repository(files.make_folder(folder / "repository"))
        COMPOSE.ensure(chosen.to_mapping(server))
        yield ComposeHarness(ComposeMachine(chosen.to_mapping(server), repository))
        assert compose_machine.everything_on(socket) == []


@contextlib.contextmanager
def _local(server: ServerContext, folder: Path) -> Iterator[TargetHarness]:
    settings = LocalTargetSettings().to_mapping(server)
    LOCAL.ensure(settings)
    harness = LocalHarness(folder, settings)
    yield harness
    LOCAL.stop(settings)
    if harness.process:
        assert harness.process.wait(timeout=10) < 0, "the destroy killed it"


@contextlib.contextmanager
def _static(server: ServerContext, folder: Path) -> Iterator[TargetHarness]:
    settings = StaticTargetSettings().to_mapping(server)
    STATIC.ensure(settings)
    yield StaticHarness(folder, settings)
    STATIC.stop(settings)


@contextlib.contextmanager
def _program(server: ServerContext, folder: Path) -> Iterator[TargetHarness]:
    settings = ProgramTargetSettings().to_mapping(server)
    PROGRAM.ensure(settings)
    yield ProgramHarness(settings)
    PROGRAM.stop(settings)


@contextlib.contextmanager
def _kubernetes(server: ServerContext, folder: Path) -> Iterator[TargetHarness]:
    api = FakeApiServer()
    thread = threading.Thread(target=api.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield KubernetesHarness(api, api.settings(folder))
    api.close()
    thread.join()


@contextlib.contextmanager
def _folders(server: ServerContext, folder: Path) -> Iterator[TargetHarness]:
    settings = {"root": str(server.private_folder), "routes": str(server.routes)}
    yield FoldersHarness(settings, importlib.import_module("eph_folders.environments"))


HARNESSES: Mapping[str, Callable[[ServerContext, Path], AbstractContextManager[TargetHarness]]] = {
    "aws": _aws,
    "compose": _compose,
    "folders": _folders,
    "kubernetes": _kubernetes,
    "local": _local,
    "pipeline": _pipeline,
    "program": _program,
    "static": _static,
}
"""One per target; a target without one fails its contract."""
