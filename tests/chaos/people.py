"""History: what people do on the Git host in a run. A step that finds nothing to act on opens a pull request."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass, field
from typing import Any

from orchestrator.demo.github.demo_github import DemoGitHubError
from tests.chaos.schedules import Step
from tests.chaos.site import REPOSITORIES, ChaosForge

LABEL = "preview"
MAX_OPEN = 4


@dataclass(slots=True)
class Pull:
    repository: str
    number: int
    branch: str


@dataclass(slots=True)
class People:
    forge: ChaosForge
    names: dict[str, str] = field(default_factory=lambda: {name: name for name in REPOSITORIES})
    pulls: list[Pull] = field(default_factory=list)
    done: int = 0

    def act(self, step: Step) -> str:
        """Gives a line of what was done. What the Git host refuses (a merge that conflicts) is part of life."""
        self.done += 1
        try:
            return str(getattr(self, f"_{step.kind}")(step))
        except DemoGitHubError as refused:
            return f"{step.kind}: refused: {str(refused)[:120]}"

    def current_name(self, repository: str) -> str:
        return self.names[repository]

    # --- choosing

    def _states(self) -> list[tuple[Pull, dict[str, object]]]:
        return [(pull, self.forge.pull(self.names[pull.repository], pull.number)) for pull in self.pulls]

    def _pick_pull(self, step: Step, *wanted: str) -> Pull | None:
        """One of those in that state: open, closed, labelled, bare, draft."""
        fit = [pull for pull, state in self._states() if set(wanted) <= _state_words(state)]
        return fit[int(step.pick * len(fit))] if fit else None

    def _repository_name(self, pull: Pull) -> str:
        return self.names[pull.repository]

    # --- what people do

    def _open(self, step: Step) -> str:
        if sum("open" in _state_words(state) for _, state in self._states()) >= MAX_OPEN:
            return self._push(step)
        repository = REPOSITORIES[self.done % len(REPOSITORIES)]
        branch = f"change-{self.done}"
        self.forge.push(self.names[repository], branch, {"note.txt": f"{branch} {step.pick}\n"})
        return self._open_labelled_pull(repository, branch)

    def _open_labelled_pull(self, repository: str, branch: str) -> str:
        number = self.forge.open_pull(self.names[repository], branch)
        self.pulls.append(Pull(repository, number, branch))
        self.forge.label(self.names[repository], number, LABEL)
        return f"open {self.names[repository]}#{number} from {branch}"

    def _push(self, step: Step) -> str:
        pull = self._pick_pull(step, "open")
        if pull is None:
            return self._open(step)
        sha = self.forge.push(self._repository_name(pull), pull.branch, {"note.txt": f"{self.done} {step.pick}\n"})
        return f"push {self._repository_name(pull)}#{pull.number} {sha[:7]}"

    def _force_push(self, step: Step) -> str:
        """Another history under the same name: one commit on the base's newest."""
        pull = self._pick_pull(step, "open")
        if pull is None:
            return self._open(step)
        head = self._git(pull, "rev-parse", f"refs/heads/{pull.branch}^{{tree}}")
        fresh = self._git(pull, "commit-tree", head, "-p", "refs/heads/main", "-m", f"Anew {self.done}")
        self._git(pull, "update-ref", f"refs/heads/{pull.branch}", fresh)
        return f"force_push {self._repository_name(pull)}#{pull.number} {fresh[:7]}"

    def _same_commit(self, step: Step) -> str:
        """A second pull request of the very same commit."""
        pull = self._pick_pull(step, "open")
        if pull is None or sum("open" in _state_words(state) for _, state in self._states()) >= MAX_OPEN:
            return self._push(step)
        branch = f"twin-{self.done}"
        self._git(pull, "update-ref", f"refs/heads/{branch}", f"refs/heads/{pull.branch}")
        return f"same_commit: {self._open_labelled_pull(pull.repository, branch)}"

    def _label(self, step: Step) -> str:
        pull = self._pick_pull(step, "open", "bare")
        if pull is None:
            return self._open(step)
        self.forge.label(self._repository_name(pull), pull.number, LABEL)
        return f"label {self._repository_name(pull)}#{pull.number}"

    def _unlabel(self, step: Step) -> str:
        pull = self._pick_pull(step, "open", "labelled")
        if pull is None:
            return self._open(step)
        self.forge.unlabel(self._repository_name(pull), pull.number, LABEL)
        return f"unlabel {self._repository_name(pull)}#{pull.number}"

    def _draft(self, step: Step, draft: bool = True) -> str:
        pull = self._pick_pull(step, "open", "full" if draft else "draft")
        if pull is None:
            return self._push(step)
        self.forge.api("PATCH", f"/repos/{self._repository_name(pull)}/pulls/{pull.number}", {"draft": draft})
        return f"draft={draft} {self._repository_name(pull)}#{pull.number}"

    def _undraft(self, step: Step) -> str:
        return self._draft(step, draft=False)

    def _close(self, step: Step) -> str:
        pull = self._pick_pull(step, "open")
        if pull is None:
            return self._open(step)
        self.forge.close_pull(self._repository_name(pull), pull.number)
        return f"close {self._repository_name(pull)}#{pull.number}"

    def _reopen(self, step: Step) -> str:
        pull = self._pick_pull(step, "closed")
        if pull is None or sum("open" in _state_words(state) for _, state in self._states()) >= MAX_OPEN:
            return self._push(step)
        self.forge.reopen(self._repository_name(pull), pull.number)
        return f"reopen {self._repository_name(pull)}#{pull.number}"

    def _merge(self, step: Step) -> str:
        pull = self._pick_pull(step, "open")
        if pull is None:
            return self._open(step)
        self.forge.merge(self._repository_name(pull), pull.number)
        return f"merge {self._repository_name(pull)}#{pull.number}"

    def _delete_branch(self, step: Step) -> str:
        pull = self._pick_pull(step, "open")
        if pull is None:
            return self._open(step)
        self.forge.delete_branch(self._repository_name(pull), pull.branch)
        return f"delete_branch {self._repository_name(pull)}#{pull.number}"

    def _rename(self, step: Step) -> str:
        repository = REPOSITORIES[int(step.pick * len(REPOSITORIES))]
        old = self.names[repository]
        new = f"{old.partition('/')[0]}/store-{self.done}"
        self.forge.rename(old, new)
        self.names[repository] = new
        return f"rename {old} to {new}"

    def _transfer(self, step: Step) -> str:
        """To another owner, the id stays."""
        repository = REPOSITORIES[int(step.pick * len(REPOSITORIES))]
        old = self.names[repository]
        owner = "globex" if old.startswith("acme/") else "acme"
        new = f"{owner}/moved-{self.done}"
        self.forge.rename(old, new)
        self.names[repository] = new
        return f"transfer {old} to {new}"

    def _conflict(self, step: Step) -> str:
        """The base goes another way in the same file: GitHub itself runs nothing for such a pull request."""
        pull = self._pick_pull(step, "open")
        if pull is None:
            return self._open(step)
        self.forge.push(self._repository_name(pull), "main", {"note.txt": f"main {self.done}\n"})
        return f"conflict {self._repository_name(pull)}#{pull.number}"

    def _git(self, pull: Pull, *words: str) -> str:
        folder = self.forge.root / "git" / f"{self._repository_name(pull)}.git"
        who = ["-c", "user.name=ada", "-c", "user.email=ada@example.com"]
        done = subprocess.run(["git", "-C", str(folder), *who, *words], capture_output=True, text=True, timeout=20)
        if done.returncode:
            raise DemoGitHubError(done.stderr.strip())
        return done.stdout.strip()


def _state_words(state: dict[str, Any]) -> set[str]:
    labels = {label["name"] for label in state["labels"]}  # a list, as GitHub has it
    words = {str(state["state"]), "labelled" if LABEL in labels else "bare", "draft" if state["draft"] else "full"}
    return words | ({"merged"} if state.get("merged") else set())
