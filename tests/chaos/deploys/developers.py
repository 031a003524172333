"""Developers who deploy under labels, over the API, while the rest of the run happens."""

from __future__ import annotations

import contextlib
import itertools
import shutil
import subprocess
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

import httpx

from orchestrator.cli import working_copy
from orchestrator.cli.working_copy import PackOptions
from tests.chaos.deploys import labels, recorded
from tests.chaos.deploys.labels import Label, Order
from tests.chaos.deploys.recorded import RecordedDeploy
from tests.chaos.deploys.visits import Visits
from tests.chaos.schedules import Step
from tests.chaos.site import APP, DEPLOYS_PER_APP, REPOSITORIES, ChaosSite

LABELS = ("cart", "Search", "fix-1", "try/2")
BRANCH = "deploys"
MIN_TTL, MAX_TTL = 4 * 86400, 6 * 86400
MIN_SHORT_TTL, MAX_SHORT_TTL = 8, 14
_REFUSED = "refused"


class Developers:
    """``current_name`` returns the present name of a repository."""

    def __init__(self, site: ChaosSite, current_name: Callable[[str], str]) -> None:
        self._site, self._current_name = site, current_name
        self.labels: list[Label] = []
        self.visits = Visits(site.gateway_port)
        self.uploaded: set[str] = set()
        self._numbers = itertools.count(1)
        self._heads: dict[str, str] = {}

    def act(self, step: Step) -> str:
        self.observe()
        return str(getattr(self, f"_{step.kind}")(step))

    def observe(self) -> list[RecordedDeploy]:
        """What is recorded now. Called often, because only what was seen can be missed."""
        found = recorded.read(self._site.backend)
        for each in found:
            for label in self.labels:
                if (label.repository, label.name) == (each.repository, each.label):
                    label.observe(each)
        return found

    def lose_tag(self, stack: str) -> None:
        """A fault took the tag of that stack, and with it the only record of the deploy."""
        for each in self.labels:
            if stack.endswith(f"/{each.stack}"):
                each.may_end()

    # --- what developers do

    def _deploy(self, step: Step) -> str:
        """A branch, at a new commit or again at the same one."""
        repository = REPOSITORIES[int(step.size * 10) % len(REPOSITORIES)]
        label = self._label(repository, LABELS[int(step.pick * len(LABELS))])
        if repository not in self._heads or step.size < 0.8:
            self._heads[repository] = self._push(repository, f"{next(self._numbers)} {step.pick}\n")
        ttl = MIN_TTL + int(step.size * (MAX_TTL - MIN_TTL))
        return self._order(repository, label, self._heads[repository], {"ref": BRANCH, "ttl_seconds": ttl})

    def _deploy_short(self, step: Step) -> str:
        """Under a label that is used only once, so whatever answers after its expiry is wrong."""
        repository = REPOSITORIES[int(step.pick * len(REPOSITORIES))]
        label = self._label(repository, f"short-{next(self._numbers)}")
        if repository not in self._heads:
            self._heads[repository] = self._push(repository, f"{step.pick}\n")
        ttl = MIN_SHORT_TTL + int(step.size * (MAX_SHORT_TTL - MIN_SHORT_TTL))
        return self._order(repository, label, self._heads[repository], {"ref": BRANCH, "ttl_seconds": ttl})

    def _deploy_copy(self, step: Step) -> str:
        repository = REPOSITORIES[int(step.pick * len(REPOSITORIES))]
        label = self._label(repository, LABELS[int(step.size * len(LABELS))])
        answer = self._upload(repository, f"{next(self._numbers)} never committed\n")
        if answer is None or answer.status_code != 201:
            return f"deploy_copy: {_REFUSED}: {answer.text[:120] if answer is not None else 'no response'}"
        commit = str(answer.json()["commit"])
        self.uploaded.add(commit)
        ttl = MIN_TTL + int(step.size * (MAX_TTL - MIN_TTL))
        return self._order(repository, label, commit, {"upload": commit, "ttl_seconds": ttl})

    def _visit(self, step: Step) -> str:
        known = [each for each in self.labels if each.seen >= 0 and each.host]
        known = known or [each for each in self.labels if each.host]
        if not known:
            return self._deploy(step)
        label = known[int(step.pick * len(known))]
        self.visits.start(label.host)
        return f"visit {label.host}"

    def _undeploy(self, step: Step) -> str:
        found = [each for each in self.observe() if each.label]
        if not found:
            return self._deploy(step)
        chosen = found[int(step.pick * len(found))]
        for each in self.labels:
            if (each.repository, each.name) == (chosen.repository, chosen.label):
                each.may_end()
        answer = self._send("POST", f"environments/{chosen.ref}/down")
        return f"undeploy {chosen.label}: {answer.status_code if answer is not None else 'no response'}"

    # --- how

    def _label(self, repository: str, name: str) -> Label:
        identity = self._site.repository_ids[repository]
        normal = name.lower().replace("/", "-")
        found = next((each for each in self.labels if (each.repository, each.name) == (identity, normal)), None)
        if found is None:
            found = Label(identity, normal)
            self.labels.append(found)
        return found

    def _order(self, repository: str, label: Label, commit: str, how: dict[str, Any]) -> str:
        body = {"label": label.name, "repository": self._current_name(repository), **how}
        answer = self._send("POST", "deploys", json=body)
        kind = "deploy_copy" if "upload" in how else "deploy_short" if how["ttl_seconds"] < MIN_TTL else "deploy"
        if answer is not None and answer.status_code != 202:
            return f"{kind} {label.name}: {_REFUSED}: {answer.text[:160]}"
        expires_at = int(_parse(answer.json()["expires_at"]).timestamp()) if answer is not None else 0
        for each in labels.makes_room(label, self.labels, DEPLOYS_PER_APP, time.time()):
            each.may_end()
        label.orders.append(Order(commit, expires_at))
        if answer is not None:
            label.host = str(answer.json()["host"])
        return (
            f"{kind} {label.name} of {body['repository']} {commit[:7]}{'' if answer is not None else ': no response'}"
        )

    def _push(self, repository: str, text: str) -> str:
        return self._site.forge.push(self._current_name(repository), BRANCH, {"note.txt": text})

    def _upload(self, repository: str, text: str) -> httpx.Response | None:
        clone = self._site.home / "clone"
        if not clone.exists():
            shutil.copytree(APP, clone)
            for words in (("init", "-q"), ("add", "-A"), ("commit", "-qm", "start")):
                who = ("-c", "user.name=ada", "-c", "user.email=ada@example.com")
                subprocess.run(["git", "-C", str(clone), *who, *words], check=True, timeout=20, capture_output=True)
        (clone / "note.txt").write_text(text)
        with working_copy.packed(clone, PackOptions()) as bundle:
            query = {"repository": self._current_name(repository)}
            return self._send("POST", "deploys/uploads", params=query, content=bundle.path.read_bytes())

    def _send(self, method: str, path: str, **how: Any) -> httpx.Response | None:
        """None: ephd ended before it responded, so it may have accepted the request."""
        with contextlib.suppress(httpx.HTTPError, OSError):
            return self._site.request(method, path, **how)
        return None


def _parse(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))
