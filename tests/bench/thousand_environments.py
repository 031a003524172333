"""Many environments that are as they should be: stacks in a store, pull requests on a Git host in memory.

One stack is really made; the others are its files with the names changed, so each is as large as a real one. Pull
requests, commits and recipes are what Eph itself reads, so nothing is left to do for any of them.
"""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from orchestrator.app.system import System
from orchestrator.config.settings.server_settings import ServerSettings
from orchestrator.core.model.world import EnvironmentRequest, Recipe
from orchestrator.demo import demo_world
from orchestrator.forges.fake import FakeForge
from orchestrator.runtime.observation.forge_reader import ForgeReader
from orchestrator.sources.commit_facts import CommitFacts
from orchestrator.sources.factory import SourceContext, create_sources
from orchestrator.sources.recipe_reader import RecipeReader
from programs.spec import EnvironmentSpec, GitSource
from programs.targets.local.target import TARGET
from stacks import keys, names
from stacks.backends.file.file_backend import FileBackend
from stacks.model import Key, Operation, OperationVerb, Outcome, StackRef, StackTag
from stacks.operations.worker_settings import WorkerSettings
from tests.bench import held
from tests.bench.systems import tools
from tests.stack_folders import allow_removal, file_backend, process_executor

TEMPLATE_NAME = "bench-model-environment"
TEMPLATE_PULL = 4242


@dataclass(frozen=True, slots=True)
class Template:
    """The one that is really made."""

    ref: StackRef
    spec: EnvironmentSpec


def settings(home: Path, addresses: tuple[int, int], count: int) -> ServerSettings:
    local = {"toolbox": tuple(demo_world.python_prefixes()), "path": demo_world.search_path()}
    tables: dict[str, Any] = {"local": local}
    return ServerSettings(
        home=home / "eph",
        interval=timedelta(seconds=5),
        listen=f"127.0.0.1:{addresses[0]}",
        gateway_listen=f"127.0.0.1:{addresses[1]}",
        limits={"environments": 2 * count, "per_repository": 2 * count},
        forge={"repositories": [demo_world.REPOSITORY]},
        **tables,
    )


def create_forge(count: int) -> FakeForge:
    """Always the same one for the same number, to the last commit."""
    made = FakeForge()
    repository = made.create_repository(demo_world.REPOSITORY, {"eph.yaml": demo_world.shop_files()["eph.yaml"]})
    made.grant_write(repository, "ada")
    for number in range(count):
        made.push(repository, f"change-{number}", {})
        made.label(repository, made.open_pull(repository, f"change-{number}"), demo_world.LABEL)
    return made


async def populate(system: System, worker: WorkerSettings, upstream: str) -> None:
    """Fills the store and the target; asks Eph's own reader what each environment should be. ``upstream``: what every
    environment's host leads to."""
    forge = system.ports.forge
    recipes = RecipeReader(forge, system.options.rules, system.ports.clock)
    context = SourceContext(forge, recipes, CommitFacts(forge, system.ports.clock))
    facts = (await ForgeReader(forge, create_sources(context), context.commits).read({})).facts
    [repository] = facts.values()
    model = await _create_template(worker, repository.requests)
    texts = _stack_files(file_backend(worker), model.ref)
    for candidate in repository.requests.values():
        _copy_stack(worker, model, texts, candidate)
    store = file_backend(worker)
    store.state_file(model.ref).unlink()
    store.forget(model.ref)
    shutil.rmtree(system.options.records / model.ref.project / model.ref.stack)
    await asyncio.to_thread(held.hold, worker.backend, system.options.targets["local"], upstream)


async def _create_template(worker: WorkerSettings, candidates: Mapping[Key, EnvironmentRequest]) -> Template:
    spec = _spec(next(iter(candidates.values())))
    commit = await asyncio.to_thread(_repository, worker.work.parent / "bench-repository")
    source = GitSource(str(worker.work.parent / "bench-repository"), commit, "main")
    model = replace(spec, name=TEMPLATE_NAME, host=f"{TEMPLATE_NAME}.localhost", source=source)
    ref = names.stack_ref(keys.pull_request(1000, TEMPLATE_PULL), demo_world.REPOSITORY)
    pool = process_executor(worker, tools().version)
    await pool.open()
    try:
        order = Operation(
            ref, OperationVerb.UP, "local", TEMPLATE_NAME, spec=model, commit=commit, settings=model.settings
        )
        result = await pool.start(order, lambda _: None, allow_removal).wait()
    finally:
        await pool.close()
    if result.outcome is not Outcome.SUCCEEDED:
        raise RuntimeError(f"the model could not be made: {result.step}: {result.error} {result.tail}")
    await asyncio.to_thread(TARGET.purge, TEMPLATE_NAME, model.settings)
    return Template(ref, model)


def _spec(candidate: EnvironmentRequest) -> EnvironmentSpec:
    if not isinstance(candidate.recipe, Recipe):
        raise TypeError(f"eph.yaml is not valid: {candidate.recipe.problems}")
    return candidate.recipe.spec


def _repository(folder: Path) -> str:
    for path, text in demo_world.shop_files().items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    who = ["-c", "user.name=bench", "-c", "user.email=bench@example.com"]
    for words in (["init", "-q", "-b", "main"], ["add", "."], [*who, "commit", "-q", "-m", "the shop"]):
        subprocess.run(["git", *words], cwd=folder, check=True)
    found = subprocess.run(["git", "rev-parse", "HEAD"], cwd=folder, check=True, capture_output=True, text=True)
    return found.stdout.strip()


def _stack_files(store: FileBackend, ref: StackRef) -> dict[Path, str]:
    return {path: path.read_text() for path in (store.state_file(ref), *store.history_folder(ref).iterdir())}


def _copy_stack(
    worker: WorkerSettings, template: Template, texts: Mapping[Path, str], request: EnvironmentRequest
) -> None:
    spec = _spec(request)
    ref = StackRef(template.ref.project, f"pr-{request.key.number}")
    changes = {
        template.spec.digest: spec.digest,
        template.spec.source.commit: spec.source.commit,
        TEMPLATE_NAME.replace("-", "_"): spec.name.replace("-", "_"),
        TEMPLATE_NAME: spec.name,
        template.ref.stack: ref.stack,
    }
    for path, text in texts.items():
        _write(Path(_replace_all(str(path), changes)), _replace_all(text, changes))
    seen = datetime.now(UTC)
    tag = StackTag(
        request.key,
        demo_world.REPOSITORY,
        spec.name,
        "bench",
        request.commit,
        seen,
    )
    file_backend(worker).write_tag(ref, tag)


def _replace_all(text: str, changes: Mapping[str, str]) -> str:
    for old, new in changes.items():
        text = text.replace(old, new)
    return text


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
