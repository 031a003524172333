"""A target for tests: its resources are files, and files in a ``control`` folder control it.

``hold-<environment>``: creating, updating and removing wait while the file exists, and stop when the operation is
interrupted, unless it contains ``stubborn``. ``fail-<environment>``: creating and updating raise its text.
``noise-<environment>``: creating prints its bytes first. ``say-<environment>``: its lines are the output of a step.
``journal`` has a line for each start and end. It is registered like real targets, by an entry point.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pulumi.dynamic import CreateResult, DiffResult, ReadResult, ResourceProvider, UpdateResult

from programs import steps
from programs.kit.waiting import pause
from programs.registry import TargetDescription
from programs.runtime_info import LogLines, LogRequest
from programs.spec import EnvironmentSpec
from programs.steps import StepName

VERSION = "probe-1"
SECRET = "hunter2-the-password-of-the-database"
Props = dict[str, Any]


class PartProvider(ResourceProvider):
    serialize_as_secret_always = False

    def create(self, props: Props) -> CreateResult:
        _work("create", props)
        _file(props).parent.mkdir(parents=True, exist_ok=True)
        _file(props).write_text(props["commit"])
        _log("created", props)
        return CreateResult(f"{props['environment']}/{props['part']}", {**props, "url": SECRET})

    def diff(self, _id: str, olds: Props, news: Props) -> DiffResult:
        return DiffResult(changes=olds["commit"] != news["commit"])

    def update(self, _id: str, olds: Props, news: Props) -> UpdateResult:
        _work("update", news)
        _file(news).write_text(news["commit"])
        _log("updated", news)
        return UpdateResult({**news, "url": SECRET})

    def delete(self, _id: str, props: Props) -> None:
        _work("delete", props)
        _file(props).unlink(missing_ok=True)
        _log("deleted", props)

    def read(self, id_: str, props: Props) -> ReadResult:
        return ReadResult(id_, props) if _file(props).exists() else ReadResult("", {})


def _file(props: Props) -> Path:
    return Path(props["folder"], "made", props["environment"], props["part"])


def _log(word: str, props: Props) -> None:
    with (Path(props["folder"]) / "journal").open("a") as journal:
        journal.write(f"{word} {props['environment']} {props['part']} {props['commit'][:7]}\n")


def _work(word: str, props: Props) -> None:
    _log(word, props)
    if word == "delete":
        return _obey(word, props)
    with steps.step(StepName.START, props["part"]) as output:
        said = Path(props["folder"]) / "control" / f"say-{props['environment']}"
        output.add(said.read_text().splitlines() if said.exists() else ())
        return _obey(word, props)


def _obey(word: str, props: Props) -> None:
    control = Path(props["folder"]) / "control"
    noise = control / f"noise-{props['environment']}"
    if noise.exists():
        _write_stdout(noise.read_bytes())
    hold = control / f"hold-{props['environment']}"
    while hold.exists():
        (time.sleep if hold.read_text() == "stubborn" else pause)(0.02)
    failure = control / f"{'undeletable' if word == 'delete' else 'fail'}-{props['environment']}"
    if failure.exists():
        raise ValueError(failure.read_text())


def _write_stdout(data: bytes) -> None:
    for start in range(0, len(data), 65536):
        os.write(1, data[start : start + 65536])


class Probe:
    version = VERSION
    description = TargetDescription("A target for tests.")

    def program(self, spec: EnvironmentSpec) -> Callable[[], None]:
        return lambda: _build(spec)

    def purge(self, name: str, settings: Mapping[str, str]) -> None:
        shutil.rmtree(Path(settings["folder"]) / "made" / name, ignore_errors=True)

    def stop_serving(self, name: str, settings: Mapping[str, str]) -> None:
        with (Path(settings["folder"]) / "journal").open("a") as journal:
            journal.write(f"stop serving {name}\n")

    def list_environments(self, settings: Mapping[str, str]) -> frozenset[str]:
        made = Path(settings["folder"]) / "made"
        return frozenset(path.name for path in made.iterdir()) if made.exists() else frozenset()

    def ensure(self, settings: Mapping[str, str]) -> None:
        Path(settings["folder"]).mkdir(parents=True, exist_ok=True)

    def logs(self, name: str, settings: Mapping[str, str], request: LogRequest) -> LogLines:
        return LogLines()


def _build(spec: EnvironmentSpec) -> None:
    import pulumi
    from pulumi.dynamic import Resource

    class Part(Resource, module="probe", name="Part"):
        url: pulumi.Output[str]

    before: list[pulumi.Resource] = []
    secret = ["url"]
    for service in spec.services:
        props = {
            "folder": spec.settings["folder"],
            "environment": spec.name,
            "part": service.name,
            "commit": spec.source.commit,
            "password": pulumi.Output.secret(SECRET),
            "url": None,
        }
        options = pulumi.ResourceOptions(additional_secret_outputs=secret, depends_on=before)
        before = [Part(PartProvider(), service.name, props, options)]
    url = f"http://{spec.host}"
    pulumi.export("database_urls", pulumi.Output.secret({"db": SECRET}))
    built = {
        "commit": spec.source.commit,
        "spec_digest": spec.digest,
        "program_version": VERSION,
        "target": spec.target,
        "url": url,
        "urls": {service.name: url for service in spec.services},
    }
    at = pulumi.Output.all(*(part.urn for part in before)).apply(lambda _: datetime.now(UTC).isoformat())
    pulumi.export("built", {**built, "at": at})


TARGET = Probe()
