"""The reporter with a small Git host: what pull requests show after each cycle. Proves P1 (one comment,
rate-limited)."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import timedelta

from orchestrator.core.views.comment_markers import marker
from orchestrator.core.views.environment_views import EnvironmentView
from orchestrator.core.views.phases import Phase
from orchestrator.forges.port import (
    CheckReport,
    Conclusion,
    DeploymentReport,
    DeploymentState,
    ForgeForbidden,
    ForgeNotFound,
    ForgeRefused,
    ForgeUnavailable,
    ForgeUnsupported,
    Repository,
)
from orchestrator.forges.wording import DEFAULT_WORDS, ForgeWords
from orchestrator.surfaces.reports.reporter import Reporter
from stacks import keys
from tests.surfaces.sample_views import BASE, NEW, NOW, OLD, VIEWS_BY_NAME

REPOSITORY = Repository(1296269, "acme/shop", "http://git.test/acme/shop.git", "main")


@dataclass
class FakeHost:
    """Stores what it receives. ``broken`` raises for a pull request, ``broken_checks`` for every check."""

    comments: dict[int, str] = field(default_factory=dict)
    checks: dict[str, CheckReport] = field(default_factory=dict)
    writes: Counter[str] = field(default_factory=Counter)
    broken: dict[int, Exception] = field(default_factory=dict)
    broken_checks: Exception | None = None
    broken_deployments: Exception | None = None
    words: ForgeWords = DEFAULT_WORDS
    deployments: dict[str, dict[str, DeploymentReport]] = field(default_factory=dict)
    undeletable: str = ""

    def upsert_comment(self, repository: Repository, number: int, marker: str, body: str) -> None:
        self.writes["asked"] += 1
        if number in self.broken:
            raise self.broken[number]
        assert marker in body
        if self.comments.get(number) != body:
            self.writes["comment"] += 1
            self.comments[number] = body

    def report_check(self, repository: Repository, sha: str, name: str, report: CheckReport) -> None:
        if self.broken_checks is not None:
            raise self.broken_checks
        assert name == "eph/preview"
        self.writes["check"] += 1
        self.checks[sha] = report

    def report_deployment(self, repository: Repository, sha: str, environment: str, report: DeploymentReport) -> None:
        self.writes["deployment"] += 1
        if self.broken_deployments is not None:
            raise self.broken_deployments
        self.deployments.setdefault(environment, {})[sha] = report

    def retire_deployment(self, repository: Repository, environment: str) -> str:
        self.writes["retire"] += 1
        if self.broken_deployments is not None:
            raise self.broken_deployments
        self.deployments.pop(environment, None)
        return self.undeletable


class ReporterSetup:
    """``cycle`` advances the time and reports; ``headline`` is the first line of a pull request's comment."""

    def __init__(self) -> None:
        self.host = FakeHost()
        self.now = NOW
        self.reporter = self.restart()

    def restart(self) -> Reporter:
        self.reporter = Reporter(self.host, lambda: self.now)
        return self.reporter

    def cycle(self, *views: EnvironmentView, seconds: float = 1) -> list[str]:
        self.now = self.now + timedelta(seconds=seconds)
        return self.reporter.report(views, {REPOSITORY.id: REPOSITORY})

    def headline(self, number: int = 42) -> str:
        return self.host.comments[number].splitlines()[0].split(":")[0]


def pull(name: str, number: int = 42) -> EnvironmentView:
    return replace(VIEWS_BY_NAME[name], key=keys.pull_request(REPOSITORY.id, number))


def test_pull_request_shows_every_state() -> None:
    story = ReporterSetup()
    for name, words in (("creating", "Creating"), ("starting", "Starting"), ("ready", "Ready")):
        assert story.cycle(pull(name), seconds=30) == []
        assert story.headline().endswith(words)
    assert story.host.checks[NEW].conclusion is Conclusion.SUCCESS
    assert story.host.writes["comment"] == 3


def test_unchanged_state_causes_no_request() -> None:
    story = ReporterSetup()
    for _ in range(50):
        story.cycle(pull("ready"), seconds=30)
    assert story.host.writes == {"asked": 1, "comment": 1, "check": 1, "deployment": 1}


def test_changes_in_quick_succession_are_one_write() -> None:
    """Pitfall 8: the newest text wins, five seconds later."""
    story = ReporterSetup()
    for place in range(9, 0, -1):
        story.cycle(replace(pull("queued"), queue_position=place), seconds=0.5)
    assert story.host.writes["comment"] == 1
    story.cycle(replace(pull("queued"), queue_position=1), seconds=5)
    assert story.host.writes["comment"] == 2
    assert "Position **1** in the queue" in story.host.comments[42]


def test_final_state_is_reported_immediately() -> None:
    story = ReporterSetup()
    story.cycle(pull("creating"))
    story.cycle(pull("failed_first"), seconds=0.1)
    assert story.headline().endswith("Failed")


def test_a_restart_rewrites_nothing() -> None:
    story = ReporterSetup()
    story.cycle(pull("ready"))
    story.restart()
    story.cycle(pull("ready"))
    assert story.host.writes["comment"] == 1


def test_a_restart_does_not_say_starting_before_the_first_health_check() -> None:
    """P1: no yellow in between; a check that was left in progress is completed afterwards."""
    story = ReporterSetup()
    story.cycle(pull("ready"))
    story.restart()
    story.cycle(replace(pull("starting"), unchecked=True))
    assert (story.headline().endswith("Ready"), story.host.writes["comment"]) == (True, 1)
    story.cycle(pull("unhealthy"), seconds=30)
    assert not story.headline().endswith("Ready")


def test_one_broken_pull_request_does_not_stop_the_others() -> None:
    """Pitfall 5, for reports: even an unexpected kind of error."""
    story = ReporterSetup()
    story.host.broken = {1: ForgeUnavailable("the answer was 502"), 2: KeyError("node_id")}
    sentences = story.cycle(pull("ready", 1), pull("ready", 2), pull("ready", 3))
    assert set(story.host.comments) == {3}
    assert [each.split(":")[0] for each in sentences] == ["acme/shop#1", "acme/shop#2"]
    assert "the answer was 502" in sentences[0]


def test_failure_is_retried_with_backoff() -> None:
    story = ReporterSetup()
    story.host.broken = {42: ForgeUnavailable("the answer was 502")}
    for _ in range(600):
        story.cycle(pull("ready"))
    assert 5 <= story.host.writes["asked"] <= 7
    story.host.broken = {}
    story.cycle(pull("ready"), seconds=1800)
    assert story.headline().endswith("Ready")


def test_retry_after_is_obeyed_by_all_reports() -> None:
    story = ReporterSetup()
    story.host.broken = {1: ForgeUnavailable("rate limit", retry_after=60)}
    assert len(story.cycle(pull("ready", 1), pull("ready", 2))) == 1
    story.host.broken = {}
    for _ in range(58):
        assert story.cycle(pull("ready", 1), pull("ready", 2)) == []
    assert story.host.writes["asked"] == 1
    story.cycle(pull("ready", 1), pull("ready", 2), seconds=2)
    assert set(story.host.comments) == {1, 2}


def test_token_without_permission_for_checks_still_updates_the_comment() -> None:
    story = ReporterSetup()
    story.host.broken_checks = ForgeRefused("the token may not write checks; give it checks: write")
    (sentence,) = story.cycle(pull("creating"))
    assert "couldn't update the check" in sentence
    assert story.cycle(pull("ready")) == []
    assert story.headline().endswith("Ready")


def test_check_of_a_superseded_commit_is_completed() -> None:
    """Pitfall 9: every report names its commit, and none is left in progress."""
    story = ReporterSetup()
    story.cycle(replace(pull("creating"), wanted_commit=OLD))
    story.cycle(pull("creating"), seconds=10)
    assert story.host.checks[OLD].conclusion is Conclusion.NEUTRAL
    assert NEW[:7] in story.host.checks[OLD].title
    assert story.host.checks[NEW].conclusion is Conclusion.IN_PROGRESS


def test_pull_requests_of_one_commit_share_its_check_and_the_live_one_owns_it() -> None:
    """P2; found by chaos: a push to one of them set the other commit's check to 'neutral' forever."""
    story = ReporterSetup()
    first = replace(pull("creating", 1), wanted_commit=OLD, commit=OLD)
    second = replace(pull("ready", 2), wanted_commit=OLD, commit=OLD)
    story.cycle(first, second)
    assert story.host.checks[OLD].conclusion is Conclusion.IN_PROGRESS
    story.cycle(pull("ready", 1), second, seconds=30)
    assert story.host.checks[OLD].conclusion is Conclusion.SUCCESS
    assert story.host.checks[NEW].conclusion is Conclusion.SUCCESS


def test_end_of_one_does_not_hide_the_others_check() -> None:
    """P2: whichever is reported last, before its record is removed or after."""
    story = ReporterSetup()
    story.cycle(pull("ready", 1), pull("ready", 2))
    gone = replace(pull("ready", 1), phase=Phase.DESTROYED)
    story.cycle(replace(pull("ready", 1), phase=Phase.DESTROYING), pull("ready", 2), seconds=30)
    assert story.reporter.report_final(gone, {REPOSITORY.id: REPOSITORY})
    assert story.host.checks[NEW].conclusion is Conclusion.SUCCESS
    story.cycle(gone, pull("failed_first", 2), seconds=30)
    assert story.host.checks[NEW].conclusion is Conclusion.FAILURE
    story.cycle(replace(pull("ready", 2), phase=Phase.DESTROYED), seconds=30)
    assert story.host.checks[NEW].conclusion is Conclusion.NEUTRAL


def test_check_left_in_progress_before_a_restart_is_completed() -> None:
    """Pitfall 9, L2."""
    story = ReporterSetup()
    story.cycle(replace(pull("creating"), wanted_commit=OLD))
    story.restart()
    story.reporter.restore([replace(pull("creating"), wanted_commit=OLD), pull("ready", 7)])
    story.cycle(pull("creating"), pull("updating", 7), seconds=10)
    assert story.host.checks[OLD].conclusion is Conclusion.NEUTRAL
    assert story.host.checks[NEW].conclusion is Conclusion.IN_PROGRESS


def test_end_is_reported_before_the_record_is_removed() -> None:
    """Design: reports say destroyed first; temporary errors are retried, rejections are not."""
    story = ReporterSetup()
    repositories = {REPOSITORY.id: REPOSITORY}
    story.host.broken = {42: ForgeUnavailable("the answer was 502")}
    assert story.reporter.report_final(pull("destroyed"), repositories) is False
    story.host.broken = {}
    story.now += timedelta(seconds=10)
    assert story.reporter.report_final(pull("destroyed"), repositories) is True
    assert story.headline().endswith("Destroyed")
    story.host.broken = {7: ForgeNotFound("no such pull request")}
    assert story.reporter.report_final(pull("destroyed", 7), repositories) is True
    assert story.reporter.report_final(pull("destroyed", 7), repositories) is True


def test_without_a_pull_request_or_its_repository_nothing_is_written() -> None:
    story = ReporterSetup()
    elsewhere = replace(BASE, key=keys.pull_request(7, 1))
    assert story.cycle(replace(BASE, key=None), elsewhere) == []
    assert story.host.writes == {}


def test_environment_without_a_commit_has_only_a_comment() -> None:
    story = ReporterSetup()
    story.cycle(replace(BASE, phase=Phase.DESTROYED, commit="", wanted_commit=""))
    assert marker(keys.pull_request(REPOSITORY.id, 42)) in story.host.comments[42]
    assert story.host.checks == {}


ENVIRONMENT = BASE.name


def test_deployment_shows_the_state_of_its_commit() -> None:
    """P2: in progress, succeeded, failed, and gone with the environment."""
    story = ReporterSetup()
    for name, state in (
        ("creating", DeploymentState.IN_PROGRESS),
        ("ready", DeploymentState.SUCCESS),
        ("unhealthy", DeploymentState.FAILURE),
        ("destroying", DeploymentState.INACTIVE),
    ):
        assert story.cycle(pull(name), seconds=30) == []
        assert story.host.deployments[ENVIRONMENT][NEW].state is state
    assert story.reporter.report_final(pull("destroyed"), {REPOSITORY.id: REPOSITORY}) is True
    assert story.host.deployments == {}


def test_failed_commit_is_red_although_the_older_one_is_live() -> None:
    """Pitfall 9: each report names its commit, and none is green for another."""
    story = ReporterSetup()
    story.cycle(pull("failed_update"))
    said = story.host.deployments[ENVIRONMENT][NEW]
    assert (said.state, said.environment_url) == (DeploymentState.FAILURE, BASE.url)
    assert story.host.checks[NEW].conclusion is Conclusion.FAILURE


def test_waiting_and_rejected_environments_deploy_nothing() -> None:
    story = ReporterSetup()
    story.cycle(*(pull(name, number) for number, name in enumerate(("queued", "waiting_checks", "refused", "held"))))
    assert story.host.writes["deployment"] == 0


def test_rejection_during_creation_ends_the_progress() -> None:
    """P2. Found by ``make chaos``: for example a draft whose creation was interrupted; nothing else reported it."""
    story = ReporterSetup()
    story.cycle(pull("creating"))
    assert story.host.deployments
    story.cycle(pull("refused"), seconds=60)
    assert story.host.deployments == {}


def test_host_without_deployments_is_reported_once_and_stops_nothing() -> None:
    """P2: it doesn't keep an environment from being cleaned up either."""
    story = ReporterSetup()
    story.host.broken_deployments = ForgeUnsupported("this Git host has no deployments")
    sentences = story.cycle(pull("creating", 1), pull("ready", 2))
    assert sentences == ["acme/shop: can't show a deployment on pull requests: this Git host has no deployments"]
    assert story.cycle(pull("ready", 1), pull("ready", 2), seconds=60) == []
    assert story.headline(1).endswith("Ready")
    assert story.host.writes["deployment"] == 1
    assert not story.reporter.has_pending
    assert story.reporter.report_final(pull("destroyed", 1), {REPOSITORY.id: REPOSITORY}) is True
    story.cycle(pull("ready", 2), seconds=3600)
    assert story.host.writes["deployment"] == 2


def test_briefly_forbidden_report_is_not_wrong_for_an_hour() -> None:
    """P2: and a permanently forbidden one is tried less and less often."""
    story = ReporterSetup()
    story.host.broken_deployments = ForgeForbidden("403 just now")
    story.cycle(pull("creating"), seconds=30)
    story.host.broken_deployments = None
    story.cycle(pull("ready"), seconds=20)
    assert story.host.deployments[ENVIRONMENT][NEW].state is DeploymentState.SUCCESS
    story.host.broken_deployments = ForgeForbidden("403 from now on")
    before = story.host.writes["deployment"]
    for turn in range(240):
        story.cycle(pull(("unhealthy", "ready")[turn % 2]), seconds=30)
    assert 8 <= story.host.writes["deployment"] - before <= 11


def test_deployments_are_cleaned_up_although_they_were_forbidden_for_a_while() -> None:
    """P2: a temporary 403 must not leave an environment forever."""
    story = ReporterSetup()
    repositories = {REPOSITORY.id: REPOSITORY}
    story.cycle(pull("ready"))
    story.host.broken_deployments = ForgeForbidden("403 just now")
    assert len(story.cycle(pull("unhealthy"), seconds=60)) == 1
    assert story.reporter.report_final(pull("destroyed"), repositories) is True
    assert story.reporter.is_delivered(pull("destroyed"), repositories) is False
    story.host.broken_deployments = None
    story.cycle(pull("destroyed"), seconds=60)
    assert story.host.deployments == {}
    assert story.reporter.is_delivered(pull("destroyed"), repositories) is True


def test_deployment_that_cannot_be_retired_does_not_stop_the_cleanup() -> None:
    """P2, L7: it waits for some minutes, then the environment is removed, and retiring is retried."""
    story = ReporterSetup()
    story.host.broken_deployments = ForgeUnavailable("the answer was 502")
    tries = 0
    while not story.reporter.report_final(pull("destroyed"), {REPOSITORY.id: REPOSITORY}):
        story.now += timedelta(minutes=1)
        tries += 1
        assert tries < 10
    assert tries >= 2
    assert story.reporter.is_delivered(pull("destroyed"), {REPOSITORY.id: REPOSITORY}) is False


def test_what_has_to_stay_on_the_git_host_is_reported_once() -> None:
    """Pitfall 2: environments that leak are at least reported."""
    story = ReporterSetup()
    story.host.undeletable = "environments stay"
    assert story.cycle(pull("destroyed", 1)) == ["acme/shop: environments stay"]
    assert story.cycle(pull("destroyed", 2)) == []
