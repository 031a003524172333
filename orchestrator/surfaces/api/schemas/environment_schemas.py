"""The API's responses as Pydantic models: its contract, and all that the CLI shares with the service.

Only Pydantic is imported here, so that a client starts fast. Fields can be added; none is renamed or removed within
``/api/v1``.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Annotated

from pydantic import AliasChoices, BaseModel, BeforeValidator, ConfigDict, Field

from orchestrator.surfaces.api.schemas.cost_schemas import CostItem


class AttributeModel(BaseModel):
    """Read by ``model_validate`` from the service's value, whose attributes have the same names or the aliases."""

    model_config = ConfigDict(from_attributes=True)


class Failure(AttributeModel):
    """Why the last attempt failed."""

    commit: str
    step: str = Field(description="The step that failed.")
    error: str = Field(description="A message for people.")
    tail: list[str] = Field(description="The last lines of output.")
    at: datetime
    tries: int
    next_try: datetime | None


class SuiteReport(AttributeModel):
    """The content of a suite's JUnit XML."""

    tests: int
    failures: int
    errors: int
    skipped: int
    names: list[str] = Field(description="The first test cases that failed.")


class SuiteItem(AttributeModel):
    """One test suite of eph.yaml, on the newest commit."""

    name: str
    kind: str = Field(description="integration, browser or security")
    state: str = Field(description="waiting, running, passed, failed or skipped")
    blocking: bool
    seconds: float
    detail: str
    tail: list[str] = Field(description="The last lines of output, unless it passed.")
    report: SuiteReport | None
    since: datetime | None = Field(description="When it started or finished.")
    screenshots: int = Field(default=0, description="How many screenshots Eph keeps of its run.")


class ImageItem(AttributeModel):
    """An image of the newest commit, pinned to its digest."""

    reference: str
    how: str = Field(description="How the image was found, and why earlier lookups failed.")


class LinkItem(AttributeModel):
    """A link of eph.yaml."""

    name: str
    url: str


class EnvironmentItem(AttributeModel):
    """One environment, desired or existing."""

    ref: Annotated[str, BeforeValidator(str)] = Field(description="The Pulumi stack, as project/stack.")
    name: str
    repository: str
    number: int | None = Field(description="The pull request's number; null for a branch or a tag.")
    ref_type: str = Field(default="pr", description="pr, branch, tag or deploy.")
    ref_name: str = Field(default="", description="The name of the branch or tag, or the label of a deploy.")
    phase: str
    reasons: list[str] = Field(description="Why the environment is in this phase, most important reason first.")
    url: str
    urls: dict[str, str] = Field(description="URLs by public service.")
    links: list[LinkItem] = Field(default=[], description="The links of eph.yaml, once the environment has URLs.")
    host: str
    target: str
    title: str
    author: str
    branch: str
    pull_url: str
    commit: str = Field(description="The commit that is live.")
    wanted_commit: str = Field(description="The newest commit.")
    since: datetime | None
    ready_at: datetime | None
    expires_at: datetime | None
    expires_soon: bool = Field(default=False, description="It is about to expire; people are warned.")
    kept: bool = Field(default=False, description="Whether it is exempt from expiry.")
    rules: list[str] = Field(default=[], description="When it sleeps, as sentences.")
    sleeps_at: datetime | None = Field(default=None, description="When it goes to sleep unless it is visited.")
    asleep_since: datetime | None = None
    wakes_at: datetime | None = Field(default=None, description="When an environment that is asleep wakes on schedule.")
    used_at: datetime | None = Field(default=None, description="The last visit that the gateway recorded.")
    queue_position: int | None
    problems: list[str] = Field(description="Errors in eph.yaml, with file and line.")
    notices: list[str] = Field(default=[], description="What has no effect in eph.yaml and the manifests.")
    tests: list[SuiteItem] = Field(default=[], description="The newest commit's test suites, once it is deployed.")
    repaired: str = Field(default="", description="What disappeared outside of Eph and was repaired, and when.")
    images: dict[str, ImageItem] = Field(default={}, description="The newest commit's images by name, once found.")
    failure: Failure | None
    progress: str
    command: str = Field(description="The command for an operator to continue when the phase is held.")
    cost: CostItem | None = Field(default=None, description="null: no price is known.")
    disabled: list[str] = Field(default=[], description="The services that labels turn off.")
    size: str = Field(default="", description="The size that a label selects.")


class EnvironmentPage(BaseModel):
    items: list[EnvironmentItem]
    total: int = Field(description="The total number of matches.")
    next: str | None = Field(description="Pass it as ?cursor= to get the next page; null on the last page.")


class Fact(BaseModel):
    name: str
    value: str


class Why(BaseModel):
    """The sentences that explain the phase, and the facts behind them."""

    name: str
    phase: str
    sentences: list[str]
    facts: list[Fact]


class BuildCacheItem(AttributeModel):
    """What builds of a repository keep for its next ones on one target."""

    repository: str = Field(description="Empty if the server doesn't serve it any more.")
    repository_id: str = Field(description="Its ID at the Git host.")
    target: str
    size: int = Field(description="In bytes.")
    used_at: datetime = Field(description="When a build last read or changed it.")


class BuildCacheList(AttributeModel):
    """Build caches."""

    items: list[BuildCacheItem]


class EventItem(AttributeModel):
    id: int
    at: datetime
    kind: str
    subject: str = Field(description="The stack as project/stack, or empty.")
    message: str
    actor: str
    data: dict[str, str]


class EventPage(BaseModel):
    items: list[EventItem]
    next: int = Field(description="Pass it as ?after= to get newer events.")


class ForgeRateLimit(BaseModel):
    """The Git host's rate limit for Eph's requests."""

    remaining: int
    limit: int
    blocked_seconds: float = Field(description="For how long it accepts no more requests; 0: it accepts them.")


class PauseRequest(BaseModel):
    reason: str = Field(default="", max_length=200, description="Shown to everyone.")


class PauseState(AttributeModel):
    """A pause of the whole server."""

    by: str = Field(description="Who paused it; empty if the record of the pause can't be read.")
    at: datetime | None
    reason: str
    remaining: int = Field(description="Operations and test suites that are still running.")
    drained: bool = Field(description="Nothing runs any more, and nothing starts until the server is resumed.")
    message: str


class Resumed(BaseModel):
    was_paused: bool


class StatusResponse(BaseModel):
    """The service itself."""

    version: str
    started: datetime
    last_cycle: datetime | None
    cycle_seconds: float
    complete: bool = Field(
        description="false: not everything could be read, so Eph destroys nothing because it is absent."
    )
    notes: list[str]
    running: int = Field(description="Number of running operations.")
    queued: int
    environments: int
    leads: bool = Field(default=True, description="Whether this replica is the leader, which answers for all replicas.")
    term: int = Field(default=1, description="Increases by one with each change of the leader.")
    leader: str = Field(default="", description="The leader's address, if another replica leads.")
    forge: str = Field(default="", description="The Git host's adapter; its webhooks go to `/api/v1/webhooks/<forge>`.")
    rate_limit: ForgeRateLimit | None = Field(default=None, description="null: the Git host hasn't reported one.")
    pause: PauseState | None = Field(default=None, description="null: the server isn't paused.")


class WebhookTest(AttributeModel):
    """The result of a webhook that the server sent to itself."""

    url: str
    status: int = Field(description="The HTTP status of the response; 0: no response.")
    milliseconds: float
    arrived: bool = Field(description="Whether this server received the delivery.")
    message: str
    hook_urls: list[str] = Field(description="The URLs that the Git host sends webhooks to.")
    deliveries: list[str] = Field(description="The latest deliveries from the Git host, newest first.")
    note: str


class Extend(BaseModel):
    seconds: int = Field(gt=0, le=366 * 86400, description="By how many seconds to postpone the expiry.")


class Restart(BaseModel):
    service: str = Field(default="", max_length=63, description="Only this service. Empty: all services.")


class RestartedServices(BaseModel):
    name: str
    services: list[str] = Field(description="The services that were restarted.")


class DatabaseReset(BaseModel):
    database: str = Field(default="", max_length=63, description="Its name in eph.yaml. Empty: the only one.")


class ResetDatabase(BaseModel):
    name: str
    database: str


class VariableInput(BaseModel):
    name: str = Field(min_length=1, max_length=100, description="The variable's name.")
    value: str = Field(max_length=4096, repr=False, description="Its value.")
    secret: bool = Field(default=False, description="Encrypt it, redact it in output, and never return it.")


class VariableChanges(BaseModel):
    """All of them apply, or none."""

    set: list[VariableInput] = Field(default=[], max_length=50)
    unset: list[str] = Field(default=[], max_length=50, description="Names of variables that are set.")


class VariableItem(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    name: str
    value: str | None = Field(description="None for a secret.")
    secret: bool
    pending: bool = Field(description="It isn't recorded yet.")


class Variables(BaseModel):
    name: str
    variables: list[VariableItem]


class Approval(BaseModel):
    commit: str = Field(
        pattern=r"^[0-9a-f]{40}$", description="The full SHA, because two commits can share their first digits."
    )


class Sweep(BaseModel):
    dry_run: bool
    found: list[str] = Field(description="One line for each orphan.")


class OrphanItem(AttributeModel):
    """A resource that exists, but belongs to no stack or pull request."""

    kind: str = Field(description="database, role, process, checkout, port, route, tag file, work folder …")
    name: str
    where: str = Field(validation_alias=AliasChoices("where", "location"), description="A target, `backend` or `work`.")
    whose: str = Field(
        validation_alias=AliasChoices("whose", "environment"),
        description="The environment that it seems to belong to; may be empty.",
    )
    why: str = Field(validation_alias=AliasChoices("why", "reason"), description="Why it is an orphan.")
    command: str = Field(description="The command that removes it manually.")
    swept: bool = Field(
        validation_alias=AliasChoices("swept", "sweepable"), description="Whether `eph sweep` removes it."
    )
    priced: bool = Field(default=False, description="Whether its target knows prices of single resources.")
    daily_cost: Decimal | None = Field(
        default=None, description="What it costs a day at known prices, in US dollars; null if that isn't known."
    )


class AuditResponse(AttributeModel):
    """The actual resources, compared with stacks and pull requests."""

    clean: bool = Field(description="Everything could be checked, and there are no orphans.")
    orphans: list[OrphanItem]
    unread: list[str] = Field(description="What could not be checked.")
    looked: dict[str, int] = Field(
        validation_alias=AliasChoices("looked", "checked"), description="The number of resources checked, by place."
    )


class Approved(BaseModel):
    message: str


class Accepted(BaseModel):
    message: str


class ErrorDetail(BaseModel):
    code: str = Field(description="A machine-readable code: not_found, refused, unauthorised, forbidden, invalid …")
    message: str
    hint: str = Field(description="What to do; may be empty.")


class Error(BaseModel):
    """Every error of the API has this shape."""

    error: ErrorDetail
