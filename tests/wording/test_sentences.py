"""Every sentence of the wording modules, rendered with sample values, in one snapshot a room.

The snapshots are the place to review wording. Other tests compare codes and states.
"""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from types import ModuleType

import pytest

from orchestrator.auth import wording as auth_wording
from orchestrator.cli import wording as cli_wording
from orchestrator.config import wording as config_wording
from orchestrator.conformance import wording as conformance_wording
from orchestrator.core import wording as core_wording
from orchestrator.core.costs.budgets import BudgetLevel, BudgetState
from orchestrator.core.model.label_deploys import LabelDeploy
from orchestrator.core.suites.suite_results import SuiteOutcome, SuiteResult, SuiteRun
from orchestrator.demo import leftover_wording
from orchestrator.demo import wording as demo_wording
from orchestrator.demo.airflow import wording as airflow_wording
from orchestrator.demo.cluster import wording as demo_cluster_wording
from orchestrator.demo.containers import wording as demo_engine_wording
from orchestrator.demo.emulate import wording as emulate_wording
from orchestrator.demo.github import wording as sandbox_wording
from orchestrator.demo.ministack import wording as ministack_wording
from orchestrator.demo.story import deploy_wording as deploy_story_wording
from orchestrator.demo.story import wording as story_wording
from orchestrator.forges import wording as forge_wording
from orchestrator.forges.github import wording as github_wording
from orchestrator.gateway import wording as gateway_wording
from orchestrator.images import wording as image_wording
from orchestrator.ledger import wording as ledger_wording
from orchestrator.runtime import wording as runtime_wording
from orchestrator.secret_providers import wording as secret_wording
from orchestrator.secret_providers.aws import wording as aws_secret_wording
from orchestrator.secret_providers.kubernetes import wording as cluster_secret_wording
from orchestrator.secret_providers.vault import wording as vault_wording
from orchestrator.service import wording as service_wording
from orchestrator.service.changes import wording as change_wording
from orchestrator.service.chat import wording as chat_wording
from orchestrator.service.deploys import wording as deploy_wording
from orchestrator.service.exec import wording as exec_wording
from orchestrator.sources import wording as source_wording
from orchestrator.surfaces import wording as surface_wording
from programs import wording as programs_wording
from programs.eph_yaml import wording as eph_yaml_wording
from programs.kit import wording as kit_wording
from programs.kit.build_cache import wording as build_cache_wording
from programs.kit.cron import wording as cron_wording
from programs.kit.database import wording as postgres_wording
from programs.kit.database.session_usage import SharedResource
from programs.kit.git import wording as git_wording
from programs.kit.isolation import wording as isolation_wording
from programs.kit.processes import wording as kit_process_wording
from programs.kit.server_engines import wording as server_engine_wording
from programs.kit.tool_versions import wording as tool_version_wording
from programs.targets.aws import wording as aws_wording
from programs.targets.aws.api import wording as aws_api_wording
from programs.targets.aws.pricing import wording as aws_pricing_wording
from programs.targets.aws.program import wording as aws_program_wording
from programs.targets.compose import wording as compose_wording
from programs.targets.compose.files import wording as compose_file_wording
from programs.targets.kubernetes import wording as kubernetes_wording
from programs.targets.kubernetes.api import wording as cluster_wording
from programs.targets.kubernetes.exec import wording as pod_exec_wording
from programs.targets.kubernetes.installation import wording as chart_wording
from programs.targets.kubernetes.manifests import wording as manifest_wording
from programs.targets.kubernetes.observation import wording as observation_wording
from programs.targets.local import wording as local_wording
from programs.targets.pipeline import wording as pipeline_wording
from programs.targets.program import wording as program_wording
from programs.targets.static import wording as static_wording
from stacks import keys
from stacks import wording as stack_wording
from stacks.backends import wording as backend_wording
from stacks.backends.file import wording as file_backend_wording
from stacks.executors import wording as executor_wording
from stacks.executors.process import wording as process_wording
from stacks.model import OperationVerb, RefKind, StackRef
from stacks.operations import wording as operation_wording
from stacks.toolchain import wording as toolchain_wording
from tests import snapshots

SNAPSHOTS = Path(__file__).parent / "snapshots"
PACKAGES: Mapping[str, ModuleType] = {
    "cli": cli_wording,
    "config": config_wording,
    "core": core_wording,
    "manifests": manifest_wording,
    "runtime": runtime_wording,
    "surfaces": surface_wording,
}
ROOMS: Mapping[str, tuple[ModuleType, ...]] = {
    **{room: tuple(getattr(package, name) for name in package.__all__) for room, package in PACKAGES.items()},
    "auth": (auth_wording,),
    "aws": (aws_wording, aws_api_wording, aws_pricing_wording, aws_program_wording),
    "compose": (compose_wording, compose_file_wording),
    "conformance": (conformance_wording,),
    "demo": (
        demo_wording,
        leftover_wording,
        story_wording,
        deploy_story_wording,
        airflow_wording,
        demo_cluster_wording,
        demo_engine_wording,
        emulate_wording,
        ministack_wording,
        sandbox_wording,
    ),
    "forges": (forge_wording, github_wording),
    "gateway": (gateway_wording,),
    "images": (image_wording,),
    "kubernetes": (kubernetes_wording, cluster_wording, pod_exec_wording, observation_wording, chart_wording),
    "kit": (
        kit_wording,
        build_cache_wording,
        cron_wording,
        git_wording,
        isolation_wording,
        kit_process_wording,
        postgres_wording,
        server_engine_wording,
        tool_version_wording,
    ),
    "ledger": (ledger_wording,),
    "local": (local_wording,),
    "pipeline": (pipeline_wording,),
    "program": (program_wording,),
    "static": (static_wording,),
    "secret_providers": (secret_wording, aws_secret_wording, cluster_secret_wording, vault_wording),
    "service": (service_wording, change_wording, chat_wording, deploy_wording, exec_wording),
    "programs": (programs_wording, eph_yaml_wording),
    "sources": (source_wording,),
    "stacks": (
        stack_wording,
        backend_wording,
        file_backend_wording,
        executor_wording,
        process_wording,
        operation_wording,
        toolchain_wording,
    ),
}
COMMIT, AT = "a" * 40, datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
REF = StackRef("eph-shop-9ix", "pr-42")
BY_TYPE: Mapping[str, tuple[object, ...]] = {
    "bool": (True, False),
    "int": (3,),
    "float": (2.5,),
    "float | None": (None, 30.0),
    "int | None": (None, 3),
    "object": (REF,),
    "StackRef": (REF,),
    "Key": (keys.pull_request(8, 42), keys.ref(8, RefKind.BRANCH, "main")),
    "RefKind": tuple(RefKind),
    "Iterable[RefKind]": ((RefKind.BRANCH, RefKind.TAG),),
    "OperationVerb": (OperationVerb.UP,),
    "SuiteRun": (SuiteRun(REF, COMMIT, "browser"),),
    "SuiteResult": (SuiteResult("browser", COMMIT, SuiteOutcome.FAILED, AT, 9.0, "exit status 1"),),
    "LabelDeploy": (LabelDeploy("feat-x", COMMIT, AT, "ada"),),
    "SharedResource": tuple(SharedResource),
    "Decimal": (Decimal("0.0473"),),
    "Decimal | None": (Decimal(72), None),
    "BudgetState": tuple(
        BudgetState(repository, Decimal(100), Decimal(90), level, date(2026, 4, 1))
        for repository, level in (("acme/shop", BudgetLevel.WARNING), ("", BudgetLevel.USED_UP))
    ),
    "Path": (Path("/srv/eph"),),
    "Path | str": (Path("/srv/eph"),),
    "str | None": ("Permission denied",),
    "datetime": (AT,),
    "datetime | None": (AT, None),
    "Sequence[tuple[str, str]]": ((("Previews", "http://localhost:8080"), ("API", "http://localhost:8081")),),
    "tuple[int, int]": ((200, 1),),
    "timedelta": (timedelta(hours=2),),
    "timedelta | None": (timedelta(hours=2), None),
    "OSError": (PermissionError(13, "Permission denied"), OSError(98, "Address already in use")),
    "Exception": (ConnectionError("connection refused"),),
    "BaseException": (ConnectionError("connection refused"),),
    "BaseException | None": (ConnectionError("connection refused"), None),
    "Mapping[str, int]": ({"create": 3, "update": 1}, {}),
    "Mapping[str, str]": ({"database main": "gone"}, {"service web": "stopped", "route web": "changed"}),
}
NUMBERS: Mapping[str, int] = {
    "available": 500_000_000,
    "limit": 20 * 1024**2,
    "per_operation": 200_000_000,
    "pid": 4711,
    "port": 8080,
    "status": 301,
}
TEXTS: Mapping[str, str] = {
    "action": "sleep",
    "amount": "100",
    "asleep": "0.0325",
    "awake": "0.047375",
    "daily": "1.137",
    "forecast": "28.5",
    "hourly": "0.047375",
    "level": "used-up",
    "saved": "1.10",
    "spent": "12.4",
    "attempts": "the build of aaaaaaa failed 3 times",
    "command": "0f1e2d3c4b5a",
    "delivery": "6f1c",
    "for_label": "feat-y",
    "held": "0f1e2d3c4b5a",
    "here": "node-b",
    "host": "feat-x.shop.example",
    "how": "git note refs/notes/eph",
    "identity": "process 7 on node-a",
    "kind": "branch",
    "leader": "10.0.0.7",
    "lock": "7d1f",
    "note": "too many environments would be destroyed",
    "otherwise": "push a new commit or run `eph up` to retry",
    "outcome": "failed",
    "owner": "process 4711 of eph on node-a",
    "phase": "ready",
    "reference": "acme/shop#42",
    "state": "open",
    "there": "node-a",
    "user": "eph",
    "verb": "up",
    "version": "kubernetes-3",
    "what": "the build of aaaaaaa",
    "window": "1 h",
    "address": "127.0.0.1:8080",
    "author": "ann",
    "commit": COMMIT,
    "detail": "502 from the app",
    "error": "connection refused",
    "head": COMMIT,
    "image": "api",
    "images": "api",
    "label": "feat-x",
    "labels": "preview",
    "live": "b" * 40,
    "name": "acme/shop",
    "operation": "up of aaaaaaa",
    "person": "bob",
    "problem": "connection refused",
    "problems": "eph.yaml:3: unknown key `servces`",
    "reason": "acme/shop#42 is closed",
    "repository": "acme/shop",
    "repositories": "registry.test/shop/api",
    "running": "b" * 40,
    "schedule": "Mon-Fri 08:00-19:00 Europe/Berlin",
    "sha": COMMIT,
    "target": "kubernetes",
    "title": "acme/shop#42",
    "url": "https://shop-42.eph.example",
    "urls": "https://shop-42.eph.example",
}


@pytest.mark.parametrize("room", ROOMS)
def test_sentences_match_their_snapshot(room: str) -> None:
    lines = [line for module in ROOMS[room] for line in _render(module)]
    snapshots.assert_matches(SNAPSHOTS / f"{room}.md", "\n".join(lines) + "\n")


def _render(module: ModuleType) -> Iterator[str]:
    yield f"# {module.__name__}"
    for name, found in vars(module).items():
        if name.startswith("_") or getattr(found, "__module__", module.__name__) != module.__name__:
            continue
        if isinstance(found, str | tuple):
            yield f"- {name}: {found}"
        elif isinstance(found, Mapping):
            yield from (f"- {name}[{key}]: {text}" for key, text in found.items())
        elif inspect.isfunction(found):
            yield from (f"- {name}: {sentence}" for sentence in _sentences(found))


def _sentences(function: Callable[..., object]) -> Iterable[str]:
    """Each different sentence that the samples give, in order."""
    parameters = inspect.signature(function).parameters.values()
    choices = itertools.product(*(_samples(parameter) for parameter in parameters))
    found = (function(*values) for values in choices)
    return dict.fromkeys(str([*text] if isinstance(text, Iterator) else text) for text in found)


def _samples(parameter: inspect.Parameter) -> tuple[object, ...]:
    """Samples by type; of a text, by the parameter's name, otherwise the name itself."""
    kind = str(parameter.annotation)
    if kind == "int":
        return (NUMBERS.get(parameter.name, 3),)
    text = TEXTS.get(parameter.name, parameter.name)
    if kind == "str":
        return (text,)
    if kind.startswith(("Iterable[str]", "Sequence[str]", "list[str]", "tuple[str")):
        return ((text,), ())
    return BY_TYPE[kind]
