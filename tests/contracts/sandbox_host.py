"""The demo's small GitHub, with the verbs of ``forge_hosts``."""

from __future__ import annotations

from collections.abc import Mapping

from orchestrator.core.model.world import CheckState
from orchestrator.demo.github.demo_github import DemoGitHub
from orchestrator.forges.port import Forge
from tests.contracts.forge_hosts import CONCLUSIONS, FILES, REPOSITORY_NAME, Clients, Feature


class SandboxHost:
    unsupported: Mapping[Feature, str] = {}
    writer, stranger = "grace", "mallory"

    def __init__(self, world: DemoGitHub) -> None:
        self.world, self.name = world, REPOSITORY_NAME
        self.id = world.create_repository(REPOSITORY_NAME, FILES)
        self._clients = Clients("github")

    def client(self) -> Forge:
        token = self.world.token("eph-bot")
        return self._clients.connect(url=self.world.api_url, token=token, repositories=[REPOSITORY_NAME])

    def done(self) -> None:
        self._clients.close()
        self.world.close()

    def push(self, branch: str, files: Mapping[str, str]) -> str:
        return self.world.push(self.name, branch, files)

    def tag(self, name: str, sha: str, message: str = "") -> None:
        self.world.tag(self.name, name, sha, message)

    def note(self, sha: str, text: str, ref: str = "refs/notes/eph") -> None:
        self.world.note(self.name, sha, text, ref)

    def delete_ref(self, name: str) -> None:
        self.world.api("DELETE", f"/repos/{self.name}/git/refs/{name}")

    def open_pull(self, branch: str) -> int:
        return self.world.open_pull(self.name, branch)

    def open_from_fork(self, branch: str) -> int:
        fork = self.world.fork(self.name, "mallory")
        self.world.push(fork, branch, {"message.txt": "theirs"})
        return self.world.open_pull(self.name, f"mallory:{branch}", by="mallory")

    def label(self, number: int, label: str) -> None:
        self.world.label(self.name, number, label)

    def close(self, number: int) -> None:
        self.world.close_pull(self.name, number)

    def reopen(self, number: int) -> None:
        self.world.reopen(self.name, number)

    def merge(self, number: int) -> None:
        self.world.merge(self.name, number)

    def comments(self, number: int) -> list[str]:
        return [item["body"] for item in self.world.comments(self.name, number) if item["user"]["login"] == "eph-bot"]

    def comment_as_stranger(self, number: int, body: str) -> None:
        self.world.comment(self.name, number, body, by="mallory")

    def set_check(self, sha: str, name: str, state: CheckState) -> None:
        self.world.set_check(self.name, sha, name, CONCLUSIONS[state])

    def set_status(self, sha: str, name: str, state: CheckState) -> None:
        self.world.set_status(self.name, sha, name, CONCLUSIONS[state] or "pending")

    def reports(self, sha: str) -> Mapping[str, str]:
        return {name: state for name, state in self.world.checks(self.name, sha).items() if name.startswith("eph")}

    def comment_as_writer(self, number: int, body: str) -> int:
        return self.world.comment(self.name, number, body, by=self.writer)

    def edit_comment(self, comment: int, body: str) -> None:
        self.world.edit_comment(self.name, comment, body, by=self.writer)

    def react_as_other(self, comment: int) -> None:
        self.world.react(self.name, comment, "+1", by="ada")

    def reactions(self, comment: int) -> set[str]:
        return set(self.world.reactions(self.name, comment).get("eph-bot", []))

    def deployments(self, environment: str) -> Mapping[str, str]:
        return {item["sha"]: item["state"] for item in self.world.deployments(self.name, environment)}

    def environments(self) -> list[str]:
        return self.world.environments(self.name)

    def grant_admin(self) -> None:
        self.world.set_permission(self.name, "eph-bot", "admin")

    def rename(self, to: str) -> None:
        self.world.rename(self.name, to)
        self.name = to

    def delete_repository(self) -> None:
        self.world.delete_repository(self.name)
