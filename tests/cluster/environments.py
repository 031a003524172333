"""Environments on the cluster, created as ephd creates them: one operation each, in a worker, with Pulumi and its
plugin."""

from __future__ import annotations

import asyncio
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from programs.spec import CommandSpec, DatabaseSpec, EnvironmentSpec, GitSource, HealthCheck, ServiceSpec
from programs.targets.kubernetes.target import TARGET
from stacks import keys, names
from stacks.backends.inventory import StackInventory
from stacks.model import Operation, OperationResult, OperationVerb, Outcome, StackRecord, StackRef, StackTag
from stacks.toolchain import plugins, pulumi_cli
from tests.cluster.cluster_access import Cluster, wait_for
from tests.polling import BackgroundPoller
from tests.stack_folders import allow_removal, operation_folder, process_executor, worker_settings
from tests.targets.local_machine import Repository, new_repository

REPOSITORY, SHOP = 12345, "acme/shop"
SCHEMA = "CREATE TABLE fruit (name text PRIMARY KEY); INSERT INTO fruit VALUES ('apple'), ('pear');"
MIGRATE = 'psql "$DATABASE_URL" -X -q -v ON_ERROR_STOP=1 -c "INSERT INTO fruit VALUES (\'$EPH_COMMIT\')"'
DATABASE = DatabaseSpec("main", strategy="seed", scripts=("db/schema.sql",), migrate=CommandSpec(MIGRATE, timeout=60))


@dataclass
class OperationRunner:
    """Operations and reads like ephd's. ``suffix`` is part of the name and label of everything created, so that several
    runners can use one cluster at once."""

    site: Cluster
    folder: Path
    suffix: str
    progress: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        quiet = plugins.with_plugins(pulumi_cli.find(), ["kubernetes"], self.progress.append)
        self.version = quiet.version
        passphrase = self.folder / "passphrase"
        passphrase.write_text("test")
        self.worker = worker_settings(self.folder, passphrase_file=passphrase, tools=quiet.path)
        self.worker.create_folders()
        self.inventory = StackInventory(self.worker.backend)
        self.repository: Repository = new_repository(self.folder / "repository")

    @property
    def settings(self) -> dict[str, str]:
        return {
            "root": str(self.folder / "root"),
            "server": f"eph-{self.suffix}-tests",
            "kubeconfig": self.site.kubeconfig,
            "routes": str(self.folder / "routes"),
            "url": "http://{host}",
            "ingress_url": self.site.ingress,
            "ingress_class": self.site.ingress_class,
            "ingress_namespace": self.site.ingress_namespace,
            "postgres_image": f"{self.site.registry}/library/postgres:{{version}}",
            "pull_secret_file": str(self.site.pull_secret()),
            "plain_http": self.site.registry,
        }

    def name(self, number: int) -> str:
        return f"shop-{self.suffix}-words-{number}"

    def spec(self, number: int, commit: str, **changes: Any) -> EnvironmentSpec:
        name = self.name(number)
        web = ServiceSpec("web", "", health=HealthCheck(deadline=90), image="shop", port=8080)
        made = EnvironmentSpec(
            name=name,
            host=f"{name}.preview.test",
            target="kubernetes",
            project="shop",
            source=GitSource(str(self.repository.bare), commit, "feature"),
            services=(web,),
            images={"shop": self.site.image("acme/shop:v1")},
            marks={"Environment": name, "ManagedBy": "eph", "PRNumber": str(number), "EphemeralTTL": "72h"},
            settings=self.settings,
        )
        return replace(made, **changes)

    def up(self, spec: EnvironmentSpec, *, refresh: bool = False) -> OperationResult:
        return self._run([replace(self._up(spec), refresh=refresh)], 1)[0]

    def up_many(self, specs: Sequence[EnvironmentSpec], at_once: int) -> list[OperationResult]:
        return self._run([self._up(spec) for spec in specs], at_once)

    def _up(self, spec: EnvironmentSpec) -> Operation:
        number = int(spec.marks["PRNumber"])
        now = datetime.now(UTC)
        tag = StackTag(
            keys.pull_request(REPOSITORY, number), SHOP, spec.name, "", spec.source.commit, now, target=spec.target
        )
        tag = replace(tag, asleep=now if spec.asleep else None)
        return Operation(
            ref(number),
            OperationVerb.UP,
            "kubernetes",
            spec.name,
            deadline=580.0,
            tag=tag,
            spec=spec,
            commit=spec.source.commit,
            settings=spec.settings,
        )

    def sleep_or_wake(self, number: int, verb: OperationVerb) -> OperationResult:
        """Puts it to sleep or wakes it from the record alone, like ephd."""
        record = self.record(number)
        assert record.tag is not None
        now = datetime.now(UTC) if verb is OperationVerb.SLEEP else None
        tag = replace(record.tag, asleep=now, half=False)
        return self._run([Operation(ref(number), verb, "kubernetes", tag.name, tag, settings=self.settings)], 1)[0]

    def down(self, number: int) -> OperationResult:
        return self.down_many([number], 1)[0]

    def down_many(self, numbers: Sequence[int], at_once: int) -> list[OperationResult]:
        """From the records alone, like ephd."""
        return self._run([self._down(number) for number in numbers], at_once)

    def _down(self, number: int) -> Operation:
        name, target = self.name(number), self.record(number).target
        return Operation(ref(number), OperationVerb.DESTROY, target, name, settings=self.settings)

    def record(self, number: int) -> StackRecord:
        return self.inventory.snapshot().stacks[ref(number)]

    def _run(self, operations: Sequence[Operation], at_once: int) -> list[OperationResult]:
        async def perform() -> list[OperationResult]:
            pool, slots = process_executor(self.worker, self.version), asyncio.Semaphore(at_once)

            async def one(operation: Operation) -> OperationResult:
                async with slots:
                    return await pool.start(operation, self.progress.append, allow_removal).wait()

            try:
                return await asyncio.gather(*(one(operation) for operation in operations))
            finally:
                await pool.close()

        return asyncio.run(perform())

    def assert_succeeded(self, result: OperationResult) -> None:
        assert result.outcome is Outcome.SUCCEEDED, (result.error, result.step, result.tail, self.progress[-20:])

    def assert_failed(self, result: OperationResult, *words: str) -> None:
        """With all the words in its error."""
        told = " ".join([result.error, *result.tail])
        assert result.outcome is Outcome.FAILED, told
        assert [word for word in words if word not in told] == [], told

    def log(self, number: int) -> str:
        folder = operation_folder(self.worker, ref(number))
        return "\n".join(path.read_text(errors="replace") for path in sorted(folder.glob("*.log")))

    def remaining(self) -> list[str]:
        """What is left of ours, by label, and by name whatever its labels."""
        listed = self.site.get("namespaces")["items"]
        named = [
            item["metadata"]["name"] for item in listed if item["metadata"]["name"].startswith(f"shop-{self.suffix}-")
        ]
        routes = [str(path) for path in (self.folder / "routes").glob("*")]
        return TARGET.list_remaining(self.settings) + named + routes


def ref(number: int) -> StackRef:
    return names.stack_ref(keys.pull_request(REPOSITORY, number), SHOP)


@dataclass
class Page:
    """An environment's URL, requested through the ingress controller by its host name."""

    site: Cluster
    host: str
    accept: str = ""
    timeout: float = 15.0

    def request(self, path: str = "/", **query: str) -> tuple[int, str]:
        asked = f"?{urllib.parse.urlencode(query)}" if query else ""
        headers = {"Host": self.host, **({"Accept": self.accept} if self.accept else {})}
        request = urllib.request.Request(f"{self.site.ingress}{path}{asked}", headers=headers)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=self.timeout) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError as error:
            return 0, str(error)

    def wait_for_text(self, path: str = "/", **query: str) -> str:
        """Its response once it responds; an ingress controller learns about a new name within a moment."""
        seen = [(0, "nothing")]

        def answered() -> bool:
            seen.append(self.request(path, **query))
            return seen[-1][0] in (200, 500)

        try:
            wait_for(answered, 30)
        except AssertionError as late:
            raise AssertionError(f"{self.host}{path}: {seen[-1]}") from late
        assert seen[-1][0] == 200, seen[-1][1]
        return seen[-1][1].strip()


class PageMonitor(BackgroundPoller):
    """``failures`` are the responses that weren't a page."""

    def __init__(self, page: Page) -> None:
        super().__init__()
        self._page = page
        self.requests = 0
        self.failures: list[tuple[int, str]] = []

    def poll(self) -> None:
        found = self._page.request()
        self.requests += 1
        if found[0] != 200:
            self.failures.append(found)
