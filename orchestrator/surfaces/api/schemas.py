"""What goes over the wire, as Pydantic models: the API's contract, and all that the CLI shares with the service.

Nothing but Pydantic is imported here, so that a client starts fast. A field may be added; none is renamed or
removed within ``/api/v1``.
"""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, Field


class Failure(BaseModel):
    """Why the last try failed."""

    commit: str
    step: str = Field(description="What was being done.")
    error: str = Field(description="One sentence for people.")
    tail: list[str] = Field(description="The last lines of why.")
    at: datetime
    tries: int
    next_try: datetime | None


class SuiteReport(BaseModel):
    """What a suite's JUnit XML says."""

    tests: int
    failures: int
    errors: int
    skipped: int
    names: list[str] = Field(description="The first that failed.")


class SuiteItem(BaseModel):
    """One suite of eph.yaml's tests, on the newest commit."""

    name: str
    kind: str = Field(description="integration, browser or security")
    state: str = Field(description="waiting, running, passed, failed or skipped")
    blocking: bool
    seconds: float
    detail: str
    tail: list[str] = Field(description="Its last lines, unless it passed.")
    report: SuiteReport | None
    since: datetime | None = Field(description="When it began to run, or ended.")


class ImageItem(BaseModel):
    """An image of the wanted commit, pinned to its digest."""

    reference: str
    how: str = Field(description="Which place named it, and what those before it said.")


class EnvironmentItem(BaseModel):
    """One environment, wanted or existing."""

    ref: str = Field(description="Its Pulumi stack, as project/stack.")
    name: str
    repository: str
    number: int | None = Field(description="The number of its pull request; null for a branch or a tag.")
    ref_type: str = Field(default="pr", description="pr, branch or tag.")
    ref_name: str = Field(default="", description="The name of the branch or tag.")
    phase: str
    reasons: list[str] = Field(description="Sentences that led to the phase, most important first.")
    url: str
    urls: dict[str, str] = Field(description="By public service.")
    host: str
    target: str
    title: str
    author: str
    branch: str
    pull_url: str
    commit: str = Field(description="What runs.")
    wanted_commit: str = Field(description="What should run.")
    since: datetime | None
    ready_at: datetime | None
    expires_at: datetime | None
    expires_soon: bool = Field(default=False, description="Its time is nearly up; people are warned.")
    kept: bool = Field(default=False, description="It does not expire.")
    rules: list[str] = Field(default=[], description="When it sleeps, in sentences.")
    sleeps_at: datetime | None = Field(default=None, description="When it falls asleep if nobody uses it until then.")
    asleep_since: datetime | None = None
    wakes_at: datetime | None = Field(default=None, description="Of one that sleeps, when its hours begin.")
    used_at: datetime | None = Field(default=None, description="The last visit, as the gateway saw it.")
    queue_position: int | None
    problems: list[str] = Field(description="Mistakes in eph.yaml, with file and line.")
    tests: list[SuiteItem] = Field(default=[], description="Once the newest commit's environment stands.")
    repaired: str = Field(default="", description="What was lost behind Eph's back and is there again, and when.")
    images: dict[str, ImageItem] = Field(default={}, description="By name, what the wanted commit runs, once found.")
    failure: Failure | None
    progress: str
    command: str = Field(description="What an operator can type when the phase is held.")


class EnvironmentPage(BaseModel):
    items: list[EnvironmentItem]
    total: int = Field(description="How many match in all.")
    next: str | None = Field(description="Give it as ?cursor= for the next page; null on the last one.")


class Fact(BaseModel):
    name: str
    value: str


class Why(BaseModel):
    """The sentences that led to the phase, and the facts that they rest on."""

    name: str
    phase: str
    sentences: list[str]
    facts: list[Fact]


class Logs(BaseModel):
    name: str
    service: str | None
    operation: bool = Field(description="Lines of the last operation instead of the services'.")
    suite: str | None = Field(default=None, description="Lines of this suite's last run instead.")
    previous: bool = Field(default=False, description="Lines of the processes before those that run now.")
    lines: list[str]


class ProcessItem(BaseModel):
    """A pod, or a process."""

    name: str
    service: str
    state: str = Field(description="running, starting, failing, ending, ended, stopped or unknown")
    detail: str = Field(description="Why, in a sentence; may be empty.")
    restarts: int | None = Field(description="null: the target does not count them.")
    since: datetime | None
    image: str


class RuntimeEventItem(BaseModel):
    """What the target says happened to a part."""

    at: datetime
    about: str
    message: str
    bad: bool
    times: int = Field(description="How often, the last time ``at``.")


class RuntimeInfoResponse(BaseModel):
    """What an environment consists of just now."""

    processes: list[ProcessItem]
    happenings: list[RuntimeEventItem] = Field(description="The newest last.")


class LogLine(BaseModel):
    """One ``data:`` of a log stream."""

    line: str


class EventItem(BaseModel):
    id: int
    at: datetime
    kind: str
    subject: str = Field(description="A stack as project/stack, or empty.")
    message: str
    actor: str
    data: dict[str, str]


class EventPage(BaseModel):
    items: list[EventItem]
    next: int = Field(description="Give it as ?after= to go on.")


class StatusResponse(BaseModel):
    """The service itself."""

    version: str
    started: datetime
    last_cycle: datetime | None
    cycle_seconds: float
    complete: bool = Field(description="False: not everything could be read, so nothing is destroyed for absence.")
    notes: list[str]
    running: int = Field(description="Operations under way.")
    queued: int
    environments: int
    leads: bool = Field(default=True, description="Of several replicas one leads, and answers for all.")
    term: int = Field(default=1, description="One more with each change of the leader.")
    leader: str = Field(default="", description="Where the leader is reached, when that is another replica.")
    forge: str = Field(default="", description="The Git host's adapter; its webhooks go to `/api/v1/webhooks/<forge>`.")


class WebhookTest(BaseModel):
    """What came of a webhook that the server sent to itself."""

    url: str
    status: int = Field(description="Of the answer; 0: there was none.")
    milliseconds: float
    arrived: bool = Field(description="Whether this very server heard it.")
    message: str
    hook_urls: list[str] = Field(description="Where the Git host sends its own.")
    deliveries: list[str] = Field(description="The last ones that the Git host sent, newest first.")
    note: str


class Extend(BaseModel):
    seconds: int = Field(gt=0, le=366 * 86400, description="How much longer it may live.")


class Approval(BaseModel):
    commit: str = Field(pattern=r"^[0-9a-f]{40}$", description="All forty digits: two commits may share the first few.")


class Sweep(BaseModel):
    dry_run: bool
    found: list[str] = Field(description="A sentence for each leftover.")


class OrphanItem(BaseModel):
    """Something that exists and that neither a stack nor a pull request accounts for."""

    kind: str = Field(description="database, role, process, checkout, port, route, tag file, work folder …")
    name: str
    where: str = Field(description="A target, `backend` or `work`.")
    whose: str = Field(description="Whose it seems to be; may be empty.")
    why: str = Field(description="Why nothing accounts for it.")
    command: str = Field(description="What removes it by hand.")
    swept: bool = Field(description="Whether `eph sweep` removes it.")


class AuditResponse(BaseModel):
    """What there really is, compared with stacks and pull requests."""

    clean: bool = Field(description="Everything could be looked at, and nothing is an orphan.")
    orphans: list[OrphanItem]
    unread: list[str] = Field(description="What could not be looked at, so it is not known to be clean.")
    looked: dict[str, int] = Field(description="How many things of each place were compared.")


class Approved(BaseModel):
    message: str


class Accepted(BaseModel):
    message: str


class ErrorDetail(BaseModel):
    code: str = Field(description="A word for programs: not_found, refused, unauthorised, forbidden, invalid …")
    message: str
    hint: str = Field(description="What to do about it; may be empty.")


class Error(BaseModel):
    """Every error of the API has this one shape."""

    error: ErrorDetail
