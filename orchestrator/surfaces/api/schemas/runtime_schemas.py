"""What the API says about what runs in an environment: steps of its builds, logs, processes and events."""

from __future__ import annotations

from datetime import datetime

from pydantic import AliasChoices, BaseModel, Field

from orchestrator.surfaces.api.schemas.environment_schemas import AttributeModel


class Logs(BaseModel):
    name: str
    service: str | None
    operation: bool = Field(description="Return the last operation's log instead of the services' logs.")
    suite: str | None = Field(default=None, description="Return the log of this suite's last run.")
    previous: bool = Field(default=False, description="Return the logs of the previous processes.")
    lines: list[str]


class ScreenshotItem(AttributeModel):
    """A picture that a suite left."""

    file: str = Field(description="The last part of its path in this API.")
    name: str = Field(description="The name that the suite gave it.")
    width: int = Field(description="In pixels.")
    height: int = Field(description="In pixels.")
    bytes: int


class ScreenshotList(AttributeModel):
    """Of a suite's last run on the live commit."""

    files: list[ScreenshotItem]
    omitted: int = Field(description="How many more there were that are over a limit.")


class StepItem(AttributeModel):
    """One run of a step: Checkout, Build, Database, Migrate, Seed, Start, Health check …"""

    id: str = Field(
        default="", description="Of this run. `ID:45` is the position of its line 45 in links to the dashboard."
    )
    step: str = Field(description="Its name, and the service or database that it is about.")
    started_at: datetime
    state: str = Field(description="running, succeeded, failed or interrupted")
    seconds: float | None = Field(description="How long it took; null until it has ended.")
    lines: list[str] = Field(description="Its output, with secrets redacted. Long output is cut in the middle.")


class Steps(BaseModel):
    """What the builds of one commit did."""

    name: str
    commit: str = Field(description="The first digits of the commit; empty if nothing is known about it.")
    commits: list[str] = Field(description="The commits whose steps are kept, the newest first.")
    steps: list[StepItem]


class ProcessItem(AttributeModel):
    """A pod or a process."""

    name: str
    service: str
    state: str = Field(description="running, starting, failing, ending, ended, stopped or unknown")
    detail: str = Field(description="The reason; may be empty.")
    restarts: int | None = Field(description="null: the target doesn't count restarts.")
    since: datetime | None
    image: str
    cpu_seconds: float | None = Field(
        default=None, description="The CPU time that it used since its start; null: the target doesn't measure it."
    )
    memory: int | None = Field(
        default=None, description="The memory that it uses, in bytes; null: the target doesn't measure it."
    )


class RuntimeEventItem(AttributeModel):
    """An event that the target reported about a part."""

    at: datetime
    about: str
    message: str
    bad: bool
    times: int = Field(description="How often it happened; ``at`` is the last time.")


class RuntimeInfoResponse(AttributeModel):
    """What an environment currently consists of."""

    processes: list[ProcessItem]
    happenings: list[RuntimeEventItem] = Field(
        validation_alias=AliasChoices("happenings", "events"), description="Newest last."
    )


class LogLine(BaseModel):
    """One ``data:`` of a log stream."""

    line: str
