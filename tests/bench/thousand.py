"""Many environments that are as they should be: stacks in a store, pull requests on a Git host in memory.

One stack is really made; the others are its files with the names changed, so each is as large as a real one. Pull
requests, commits and recipes are what Eph itself reads, so nothing is left to do for any of them.
"""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from orchestrator.app import wiring
from orchestrator.app.demo import world
from orchestrator.app.wiring import Wiring
from orchestrator.config.settings import Settings
from orchestrator.core.model import Candidate, Recipe
from orchestrator.forge.fake import FakeForge
from orchestrator.forge.github.hooks import Hooks
from orchestrator.runtime.forge_facts import ForgeReader
from programs.local.target import TARGET
from programs.spec import EnvironmentSpec, Source
from stacks import names
from stacks.backends import FileBackend
from stacks.model import Operation, Outcome, StackRef, Tag, Verb
from stacks.pool import Pool
from tests.bench import held
from tests.bench.worlds import tools

MODEL = "bench-model-environment"
MODEL_PULL = 4242


@dataclass(frozen=True, slots=True)
class Model:
    """The one that is really made."""

    ref: StackRef
    spec: EnvironmentSpec


def settings(home: Path, addresses: tuple[int, int], count: int) -> Settings:
    return Settings(
        home=home / "eph",
        interval=timedelta(seconds=5),
        listen=f"127.0.0.1:{addresses[0]}",
        gateway_listen=f"127.0.0.1:{addresses[1]}",
        limits={"environments": 2 * count, "per_repository": 2 * count},
        forge={"repositories": [world.REPOSITORY]},
        local={"toolbox": tuple(world.toolbox()), "path": world.search_path()},
    )


class Host(FakeForge):
    """With all that the parts ask of a connection to GitHub."""

    def close(self) -> None:
        """There is no connection to end."""

    def hooks(self) -> Hooks:
        return Hooks()


def forge(count: int) -> Host:
    """Always the same one for the same number, to the last commit."""
    made = Host()
    repository = made.create_repository(world.REPOSITORY, {"eph.yaml": world.files()["eph.yaml"]})
    made.allow(repository, "ada")
    for number in range(count):
        made.push(repository, f"change-{number}", {})
        made.label(repository, made.open_pull(repository, f"change-{number}"), world.LABEL)
    return made


@contextmanager
def in_memory(count: int) -> Iterator[None]:
    """Within the block ephd's parts are joined to the Git host in memory instead of GitHub."""
    host, real = forge(count), wiring.GitHubForge
    wiring.GitHubForge = lambda *_, **__: host
    try:
        yield
    finally:
        wiring.GitHubForge = real


async def populate(parts: Wiring, home: Path, upstream: str) -> None:
    """Fills the store and the target; asks Eph's own reader what each environment should be. ``upstream``: what every
    environment's host leads to."""
    facts = (await ForgeReader(parts.forge, parts._recipes(), frozenset()).read({})).facts
    [repository] = facts.values()
    model = await _make_model(parts, home, repository.candidates)
    texts = _files(FileBackend(parts.places.backend), model.ref)
    for candidate in repository.candidates.values():
        _copy(parts, model, texts, candidate)
    store = FileBackend(parts.places.backend)
    store.state(model.ref).unlink()
    store.forget(model.ref)
    shutil.rmtree(parts.places.operations / model.ref.project / model.ref.stack)
    await asyncio.to_thread(held.hold, parts, upstream)


async def _make_model(parts: Wiring, home: Path, candidates: Mapping[int, Candidate]) -> Model:
    spec = _spec(next(iter(candidates.values())))
    commit = await asyncio.to_thread(_repository, home / "repository")
    source = Source(str(home / "repository"), commit, "main")
    model = replace(spec, name=MODEL, host=f"{MODEL}.localhost", source=source)
    ref = names.stack_ref(1000, world.REPOSITORY, MODEL_PULL)
    pool = Pool(parts.places, tools().version, warm=0)
    await pool.open()
    try:
        order = Operation(ref, Verb.UP, "local", MODEL, spec=model, commit=commit, settings=model.settings)
        result = await pool.start(order, lambda _: None).wait()
    finally:
        await pool.close()
    if result.outcome is not Outcome.SUCCEEDED:
        raise RuntimeError(f"the model could not be made: {result.step}: {result.error} {result.tail}")
    await asyncio.to_thread(TARGET.purge, MODEL, model.settings)
    return Model(ref, model)


def _spec(candidate: Candidate) -> EnvironmentSpec:
    if not isinstance(candidate.recipe, Recipe):
        raise TypeError(f"eph.yaml is not valid: {candidate.recipe.problems}")
    return candidate.recipe.spec


def _repository(folder: Path) -> str:
    for path, text in world.files().items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    who = ["-c", "user.name=bench", "-c", "user.email=bench@example.com"]
    for words in (["init", "-q", "-b", "main"], ["add", "."], [*who, "commit", "-q", "-m", "the shop"]):
        subprocess.run(["git", *words], cwd=folder, check=True)
    found = subprocess.run(["git", "rev-parse", "HEAD"], cwd=folder, check=True, capture_output=True, text=True)
    return found.stdout.strip()


def _files(store: FileBackend, ref: StackRef) -> dict[Path, str]:
    return {path: path.read_text() for path in (store.state(ref), *store.history(ref).iterdir())}


def _copy(parts: Wiring, model: Model, texts: Mapping[Path, str], candidate: Candidate) -> None:
    spec, pull = _spec(candidate), candidate.pull
    ref = StackRef(model.ref.project, f"pr-{pull.key.number}")
    changes = {
        model.spec.digest: spec.digest,
        model.spec.source.commit: spec.source.commit,
        MODEL.replace("-", "_"): spec.name.replace("-", "_"),
        MODEL: spec.name,
        model.ref.stack: ref.stack,
    }
    for path, text in texts.items():
        _write(Path(_changed(str(path), changes)), _changed(text, changes))
    seen = datetime.now(UTC)
    tag = Tag(pull.key.repository, world.REPOSITORY, pull.key.number, spec.name, "bench", pull.head_sha, seen)
    FileBackend(parts.places.backend).write_tag(ref, tag)


def _changed(text: str, changes: Mapping[str, str]) -> str:
    for old, new in changes.items():
        text = text.replace(old, new)
    return text


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
