"""What the Kubernetes program would apply: its resources as recorded by Pulumi's mocks."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pulumi
from pulumi.runtime import MockCallArgs, MockResourceArgs, Mocks, set_mocks

from programs.spec import EnvironmentSpec, GitSource, ServiceSpec
from programs.targets.kubernetes.program import kubernetes_program
from programs.targets.kubernetes.program.environment import KubernetesEnvironment, PreparedInputs
from programs.targets.kubernetes.settings import KubernetesSettings

_LOOP = asyncio.new_event_loop()
SETTINGS = KubernetesSettings(root=Path("/nowhere"), server="eph")
IMAGE = f"registry.test/acme/shop@sha256:{'c' * 64}"
WEB = ServiceSpec("web", "", image="shop", port=8080)


def kubernetes_spec(*services: ServiceSpec, **more: Any) -> EnvironmentSpec:
    given: dict[str, Any] = {
        "name": "shop-a-42",
        "host": "shop-a-42.preview.test",
        "target": "kubernetes",
        "project": "shop",
        "source": GitSource("/origin.git", "a" * 40, "feature"),
        "services": services or (WEB,),
        "images": {"shop": "registry.test/acme/shop:1"},
        "marks": {"PRNumber": "42"},
    }
    return EnvironmentSpec(**{**given, **more})


@dataclass
class RecordedProgram(Mocks):
    """Every resource by its name in the program. The wait for an object has its name with the prefix ``ready:``."""

    resources: dict[str, dict[str, Any]] = field(default_factory=dict)

    def new_resource(self, args: MockResourceArgs) -> tuple[str, dict[str, Any]]:
        waits = args.typ.endswith(":Ready")
        self.resources[f"ready:{args.name}" if waits else args.name] = dict(args.inputs)
        secrets: dict[str, dict[str, Any]] = {
            "password": {"value": "password"},
            "shared": {"url": "postgresql://r:p@127.0.0.1:5432/d"},
        }
        secrets["ports"] = {"ports": dict.fromkeys(args.inputs.get("services", ()), 20000)}
        secrets["database"] = {"url": "postgresql://r:p@127.0.0.1:5432/d", "made": "1"}
        given = secrets.get(args.name.partition("-")[0], {})
        return f"{args.name}-id", {**args.inputs, **given}

    def call(self, args: MockCallArgs) -> tuple[dict[Any, Any], list[tuple[str, str]] | None]:
        return {}, None


def record_program(
    environment_spec: EnvironmentSpec, settings: KubernetesSettings = SETTINGS, prepared: PreparedInputs | None = None
) -> RecordedProgram:
    inputs = prepared or PreparedInputs(images={"shop": IMAGE})
    made = KubernetesEnvironment(environment_spec, settings, inputs, "test")
    return record(lambda: kubernetes_program.build(made))


def record(program: Callable[[], None]) -> RecordedProgram:
    found = RecordedProgram()
    with event_loop():
        set_mocks(found, project="eph-shop-1", stack="pr-42", preview=False)
        run_program(program)
    return found


def run_program(build: Callable[[], None]) -> None:
    pulumi.runtime.test(build)()  # type: ignore[no-untyped-call]  # Pulumi's test helper has no annotations


@contextmanager
def event_loop() -> Iterator[None]:
    """Pulumi's mocks expect an event loop in the thread; an earlier test may have closed it."""
    local = vars(asyncio.get_event_loop_policy())["_local"]  # get_event_loop would create one
    before = local._loop
    asyncio.set_event_loop(_LOOP)
    try:
        yield
    finally:
        asyncio.set_event_loop(before)
