"""The arguments of the tools. Their JSON Schema is what an agent sees, and unknown arguments are refused."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from orchestrator.surfaces import wording

MAX_WAIT_SECONDS = 50
"""Many clients give up after a minute."""


class Arguments(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ListArguments(Arguments):
    repository: str = Field(default="", max_length=200, description="owner/repo. Empty: all repositories.")
    limit: int = Field(default=20, ge=1, le=100, description="The most environments to return.")


class NameArguments(Arguments):
    name: str = Field(
        min_length=1,
        max_length=300,
        description="The environment: its name, owner/repo#42 for a pull request, or owner/repo:label for a deploy.",
    )


class CreateArguments(Arguments):
    label: str = Field(
        default="", max_length=200, description="The first part of its host name. The same label replaces it."
    )
    pull_request: int | None = Field(
        default=None,
        gt=0,
        le=2**31,
        description="Instead of label: the number of an open pull request. It gets the label that requests its "
        "environment.",
    )
    repository: str = Field(default="", max_length=200, description="owner/repo. Empty: the only repository.")
    ref: str = Field(default="", max_length=200, description="The branch or tag to deploy. Push your commits first.")
    version: str = Field(default="", max_length=40, description="Instead of ref: a commit that was already built.")
    ttl_seconds: int | None = Field(
        default=None, gt=0, le=366 * 86400, description="When it is destroyed. Default: the server's, often a day."
    )

    @model_validator(mode="after")
    def _check_kind(self) -> CreateArguments:
        if bool(self.label) == (self.pull_request is not None):
            raise ValueError(wording.mcp.LABEL_OR_PULL_REQUEST)
        if self.pull_request is not None and (self.ref or self.version or self.ttl_seconds is not None):
            raise ValueError(wording.mcp.ONLY_FOR_LABELS)
        return self


class WaitArguments(NameArguments):
    deploy: str = Field(default="", max_length=100, description="The deploy's ID from create_environment.")
    timeout_seconds: int = Field(
        default=45, ge=1, le=MAX_WAIT_SECONDS, description="How long this call waits. Call it again if it isn't ready."
    )


class LogArguments(NameArguments):
    source: Literal["services", "operation", "suite"] = Field(
        default="services",
        description="services: the build's output, then theirs. operation: Pulumi's log. suite: a test run.",
    )
    part: str = Field(default="", max_length=100, description="Only this service, or the suite's name.")
    lines: int = Field(default=50, ge=1, le=300, description="The number of last lines.")


class ExecArguments(NameArguments):
    command: list[str] = Field(
        min_length=1, max_length=200, description="The program and its arguments: [sh, -c, ...] for a shell."
    )
    service: str = Field(default="", max_length=63, description="Where to run it. Empty: the first public service.")
    timeout_seconds: int = Field(default=30, ge=1, le=MAX_WAIT_SECONDS, description="It is stopped after that time.")


class RestartArguments(NameArguments):
    service: str = Field(default="", max_length=63, description="Only this service. Empty: all services.")


class ExtendArguments(NameArguments):
    seconds: int = Field(gt=0, le=366 * 86400, description="By how many seconds to postpone its expiry.")


class DestroyArguments(NameArguments):
    confirmation: str = Field(
        default="", max_length=200, description="The token that the first call without one returned."
    )


class SetVariablesArguments(NameArguments):
    set: dict[str, str] = Field(default={}, max_length=50, description="Values by variable.")
    unset: list[str] = Field(default=[], max_length=50, description="Variables to remove.")
    secret: bool = Field(default=False, description="Encrypt and redact the values of set; nobody can read them back.")


class ResetDatabaseArguments(DestroyArguments):
    database: str = Field(default="", max_length=63, description="Its name. Empty: the only one.")


class ValidateArguments(Arguments):
    text: str = Field(max_length=50_000, description="The whole content of the eph.yaml.")


class ExplainArguments(Arguments):
    key: str = Field(
        default="", max_length=200, description="The beginning of a key, such as database. Empty: the top-level keys."
    )
