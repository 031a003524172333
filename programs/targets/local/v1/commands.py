"""Runs the repository's commands: the build and migrations of a generation, and lifecycle hooks."""

from __future__ import annotations

from typing import ClassVar

from programs import steps
from programs.kit.build_cache import builds
from programs.kit.build_cache.builds import BuildSource
from programs.kit.database import schemas
from programs.kit.database import wording as database_wording
from programs.kit.errors import TargetError
from programs.kit.processes import command_runner
from programs.kit.processes.command_runner import CommandRun
from programs.steps import StepName
from programs.targets.local.settings import LocalSettings
from programs.targets.local.v1.base import Props, Provider, folder, hidden, joined, place

LAST_WORDS_SECONDS = 60
MAX_SHOWN = 5
"""How many schema changes the pull request shows; the step's output lists all of them."""


class CommandProvider(Provider):
    """Runs once per generation, and again after a database (``data``) was recreated. Deleting it does nothing: its
    effects are removed with the environment."""

    replaced_by: ClassVar[tuple[str, ...]] = ("root", "environment", "generation", "title")
    updated_by: ClassVar[tuple[str, ...]] = ("data",)

    def make(self, host: LocalSettings, props: Props) -> Props:
        _run(host, props, int(props["timeout"]))
        return {}


class MigrationProvider(CommandProvider):
    """Runs the migrations of one database and reports how they changed its schema. ``database``: its name on the
    server."""

    def make(self, host: LocalSettings, props: Props) -> Props:
        name = props["database"]
        before = schemas.base(host, folder(host, props), name, props["data"])
        _run(host, props, int(props["timeout"]))
        title = props["title"].removeprefix("migrate ")
        with steps.step(StepName.SCHEMA, title) as output:
            lines = schemas.difference(before, schemas.describe(host, name))
            output.add(lines or [database_wording.NO_CHANGES])
        # Without an earlier schema, every table would be listed as new.
        shown = lines if before else []
        more = len(shown) - MAX_SHOWN
        return {"schema": [database_wording.schema_notice(title, shown[:MAX_SHOWN], more)] if shown else []}


class OnceProvider(CommandProvider):
    """Runs once per environment, no matter how many commits follow."""

    replaced_by: ClassVar[tuple[str, ...]] = ("root", "environment", "title", "run")
    updated_by: ClassVar[tuple[str, ...]] = ()


class LastWordsProvider(Provider):
    """Runs the command when the resource is deleted, before anything else is removed: best effort, with a short
    timeout. Each update records the newest generation. ``env`` is a secret, so it is encrypted in the state."""

    replaced_by: ClassVar[tuple[str, ...]] = ("root", "environment", "title")
    updated_by: ClassVar[tuple[str, ...]] = ("generation", "run", "timeout")
    kept: ClassVar[tuple[str, ...]] = ("env", "secrets")

    def make(self, _host: LocalSettings, _props: Props) -> Props:
        return {}

    def unmake(self, host: LocalSettings, props: Props) -> None:
        if place(host, props).checkout.exists():
            try:
                _run(host, props, min(int(props["timeout"]), LAST_WORDS_SECONDS))
            except TargetError:
                # A destroy never fails because of it. Its output is in the log folder until that is removed.
                return


def _run(host: LocalSettings, props: Props, timeout: int) -> None:
    slug = props["title"].replace(" ", "-")
    job = CommandRun(props["title"], slug, props["run"], timeout, props["env"], hidden(props), _step(props["title"]))
    if props["title"] == "build":
        flags = (bool(props.get(name)) for name in ("from_fork", "read_only_cache"))
        source = BuildSource(props.get("repository", ""), *flags)
        builds.run(host, props["environment"], joined(host, props), job, source)
    else:
        command_runner.run(host, props["environment"], joined(host, props), job)


def _step(title: str) -> tuple[StepName, str]:
    """The step of a command by its title: ``build``, ``migrate main``, or that of a hook."""
    word, _, database = title.partition(" ")
    if title == "build":
        return StepName.BUILD, ""
    return (StepName.MIGRATE, database) if word == "migrate" else (StepName.HOOK, title)
