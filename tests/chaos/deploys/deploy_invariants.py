"""What must hold for label deploys, checked from outside: the stacks' tags say what should be, the machine what is."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator

import httpx

from tests.chaos.deploys import recorded
from tests.chaos.deploys.developers import Developers
from tests.chaos.deploys.labels import Label
from tests.chaos.deploys.recorded import RecordedDeploy
from tests.chaos.deploys.visits import Visit, commit_in
from tests.chaos.outcomes import Problem
from tests.chaos.site import ChaosSite

AHEAD = 20 * 60
"""An upload that no deploy uses is kept for 15 minutes."""
COLLECT_SECONDS = 20.0
CLOCK_CALM = 10.0
"""What the gateway answers shortly after the clock jumped isn't judged by the time."""


class DeployInvariants:
    def __init__(self, site: ChaosSite, developers: Developers) -> None:
        self._site, self._developers = site, developers

    def wanted(self) -> list[RecordedDeploy]:
        """Those whose tag requests them now."""
        now = time.time()
        return [each for each in self._developers.observe() if each.expires_at > now]

    def check(self) -> list[Problem]:
        wanted, now = self.wanted(), time.time()
        found = self._unwanted_stacks(wanted)
        for each in wanted:
            found += self._check_deploy(each)
        names = {(each.repository, each.label) for each in wanted}
        for label in self._developers.labels:
            if (label.repository, label.name) not in names:
                found += self._check_absent(label, now)
        return found or [*self._api_problems(wanted)]

    def _unwanted_stacks(self, wanted: list[RecordedDeploy]) -> list[Problem]:
        refs = {each.ref for each in wanted}
        left = [each for each in recorded.read(self._site.backend) if each.ref not in refs]
        return [
            Problem("leaks", f"{each.ref} ({each.label or 'without a tag'}) has a stack, and nothing requests it")
            for each in left
        ]

    def _check_deploy(self, deploy: RecordedDeploy) -> Iterator[Problem]:
        label = self._find_label(deploy)
        if label is None:
            yield Problem("leaks", f"{deploy.ref} has the label {deploy.label}, which no one deployed")
            return
        if not label.is_allowed(deploy):
            orders = [(order.commit[:7], order.expires_at) for order in label.orders]
            seen = f"{deploy.commit[:7]} until {deploy.expires_at}"
            yield Problem("lost", f"the tag of {deploy.label} requests {seen}, ordered: {orders}, seen {label.seen}")
        if deploy.built != deploy.commit:
            seen = deploy.built[:7] or "nothing"
            yield Problem("stuck", f"{deploy.label} has built {seen}, and its tag requests {deploy.commit[:7]}")
            return
        if label.host:
            status, text = self._site.page(label.host)
            if status != 200 or commit_in(text) != deploy.commit:
                seen = commit_in(text)[:7] if status == 200 else f"status {status} {text[:200]!r}"
                yield Problem("stuck", f"{label.host} answers {seen}, and its tag requests {deploy.commit[:7]}")

    def _check_absent(self, label: Label, now: float) -> Iterator[Problem]:
        if label.must_exist(now):
            yield Problem("lost", f"the deploy {label.name} of {label.repository} was recorded, and is gone")
        if label.host and self._site.page(label.host)[0] == 200:
            yield Problem("leaks", f"{label.host} answers, and nothing requests it")

    def _find_label(self, deploy: RecordedDeploy) -> Label | None:
        known = ((deploy.repository, deploy.label), self._developers.labels)
        return next((each for each in known[1] if (each.repository, each.name) == known[0]), None)

    def _api_problems(self, wanted: list[RecordedDeploy]) -> Iterator[Problem]:
        """The list of environments, and that of versions: each deploy once, and no other."""
        try:
            items = self._site.api("environments")["items"]
            versions = self._site.api("versions", ephemeral="true")["items"]
        except (httpx.HTTPError, OSError) as error:
            yield Problem("stuck", f"the API does not answer: {type(error).__name__}: {error}")
            return
        shown = {item["ref"]: (item["phase"], item["commit"]) for item in items if item["ref_type"] == "deploy"}
        for each in wanted:
            phase, commit = shown.pop(str(each.ref), ("nothing", ""))
            if phase not in ("ready", "asleep") or commit != each.commit:
                yield Problem("stuck", f"{each.label}: the API says {phase} at {commit[:7]}")
        yield from (Problem("stuck", f"{ref} is gone, and the API says {said[0]}") for ref, said in shown.items())
        listed = Counter((item["label"], item["commit"]) for item in versions)
        if listed != Counter((each.label, each.commit) for each in wanted):
            yield Problem("stuck", f"the versions are {sorted(listed)}")

    # --- looked at once, at the end

    def visits(self) -> list[Problem]:
        """None may hang, or be answered by a commit that no one deployed there, or after the deploy's expiry."""
        return [
            Problem(*problem) for each in self._developers.visits.finished() if (problem := self._visit_problem(each))
        ]

    def _visit_problem(self, visit: Visit) -> tuple[str, str] | None:
        if visit.hung:
            return "stuck", f"a request to {visit.host} got no response"
        orders = [order for label in self._developers.labels if label.host == visit.host for order in label.orders]
        if visit.status != 200:
            return None
        if visit.commit not in {order.commit for order in orders}:
            return "stuck", f"{visit.host} answered {visit.commit[:7]}, which no one deployed there"
        clock = self._site.clock
        calm = all(not since - CLOCK_CALM < visit.at < until + CLOCK_CALM for since, until in clock.jumps)
        if calm and all(order.expires_at and order.expires_at + 1 < visit.at for order in orders):
            return "leaks", f"{visit.host} answered after its expiry"
        return None

    def uploads(self) -> list[Problem]:
        """After a quarter of an hour, which the clock brings, only uploads that a deploy uses are left."""
        if not self._site.clock.environ:
            return []
        self._site.clock.set(AHEAD)
        end = self._site.cpu_clock.now + COLLECT_SECONDS
        while (found := self._upload_problems()) and self._site.cpu_clock.now < end:
            self._site.wait(0.5)
        self._site.clock.set(0)
        return found

    def _upload_problems(self) -> list[Problem]:
        kept = set(recorded.uploads(self._site.eph_home))
        used = {each.commit for each in self.wanted()} & self._developers.uploaded
        left = [str(path.name) for path in recorded.unfinished_uploads(self._site.eph_home)]
        return [
            *(Problem("leaks", f"the upload {commit[:7]} of no deploy is kept") for commit in sorted(kept - used)),
            *(Problem("lost", f"the upload {commit[:7]} of a deploy is gone") for commit in sorted(used - kept)),
            *(Problem("leaks", f"{name} of an unfinished upload is kept") for name in left),
        ]
