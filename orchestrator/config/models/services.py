"""What runs: services, how they are built, tested and hooked into, and a repository's own manifests."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

from pydantic import Field, model_validator

from orchestrator.config.durations import Duration
from orchestrator.config.models.base import Command, Env, Name, Path, Section, Shell, UrlPath
from orchestrator.config.problems import Rejected


class Health(Section):
    """How to tell that a service is ready."""

    path: UrlPath = Field(default="/healthz", description="Any 2xx or 3xx answer on this path means ready.")
    deadline: Duration = Field(
        default=timedelta(minutes=5), description="How long it may take until the first such answer."
    )


class Service(Section):
    """One process (target `local`) or one workload (targets with images)."""

    name: Name = Field(description="Its name; other services find it in the variable <NAME>_URL.")
    command: Shell | None = Field(
        default=None, description="What runs it. It must listen on 127.0.0.1 at the port in the variable PORT."
    )
    image: Name | None = Field(default=None, description="The name of one of environment.images.")
    port: int | None = Field(default=None, ge=1, le=65535, description="The port that its image listens on.")
    public: bool = Field(
        default=True, description="true: it gets a host name. false: only the environment's other services reach it."
    )
    health: Health = Field(default=Health(), description="How to tell that it is ready.")
    env: Env = Field(default={}, description="Variables for this service alone; they win over environment.env.")

    @model_validator(mode="after")
    def _runnable(self) -> Service:
        if self.command is None and self.image is None:
            raise Rejected("nothing says what to run", "add a command, or an image where the target runs images")
        return self


class Kubernetes(Section):
    """The repository's own manifests, for the target `kubernetes`."""

    manifests: tuple[Path, ...] = Field(
        min_length=1, description="Files or folders, applied in this order: plain, kustomize or a Helm chart."
    )


class Suite(Section):
    """A named suite of tests, run against the ready environment with its URL in PREVIEW_URL. Exit status 77 skips."""

    name: Name = Field(description="The name under which the result is shown.")
    command: Shell = Field(description="What the shell runs, in the root of the checkout.")
    timeout: Duration = Field(default=timedelta(minutes=10), description="The longest it may take.")
    kind: Literal["integration", "browser", "security"] = Field(
        default="integration", description="What kind of tests they are."
    )
    env: Env = Field(default={}, description="Variables for this suite alone; they win over environment.env.")
    junit: Path | None = Field(
        default=None, description="Where it writes its JUnit XML; counts and failed cases are then shown as a table."
    )
    blocking: bool = Field(default=True, description="Whether its failure makes the check of the commit a failure.")
    needs: tuple[Name, ...] = Field(
        default=(), description="Suites above it; unless all of them passed, it is skipped. Suites run one by one."
    )


class Hooks(Section):
    """The repository's own commands around the life of an environment."""

    pre_create: tuple[Command, ...] = Field(default=(), description="Before the services start for the first time.")
    post_create: tuple[Command, ...] = Field(default=(), description="After they are ready for the first time.")
    pre_destroy: tuple[Command, ...] = Field(default=(), description="Before everything is removed; may fail.")
