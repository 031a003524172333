"""Projects on this machine: the checkout, the state of their resources, and the page at the environment's address.

An environment's folder contains ``src`` (the checkout of the generation that was applied last), ``home`` (the sandbox's
own, with Pulumi's state), ``logs``, and ``run``, which the sandbox doesn't see: the passphrase of the state, and what a
destroy needs to run without the source.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from programs.kit import files, identifiers
from programs.kit.build_cache import builds
from programs.kit.build_cache.builds import BuildSource
from programs.kit.errors import CommitFailed, TargetError
from programs.kit.git import checkouts
from programs.kit.isolation import domains, outbound, users
from programs.kit.processes import sandbox
from programs.kit.processes.command_runner import CommandRun
from programs.kit.processes.sandbox import Workspace
from programs.targets.program import addresses, plans, project_outputs, project_run, saved_runs, settings, wording
from programs.targets.program.plans import ProjectPlan
from programs.targets.program.project_outputs import ProjectAddresses
from programs.targets.program.project_run import RunRequest, RunResult
from programs.targets.program.saved_runs import SavedRun
from programs.targets.program.settings import ProgramHost

Props = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class AppliedProject:
    """``checkpoint`` is a copy of the state, ``passphrase`` opens the secrets in it. ``notices`` are from policies."""

    addresses: ProjectAddresses
    plan: str
    checkpoint: str
    passphrase: str
    notices: tuple[str, ...] = ()


class PolicyViolation(CommitFailed):
    """The project's plan violates a mandatory policy of the server's."""


@dataclass(frozen=True, slots=True)
class SavedCopy:
    """From Eph's stack, in case the environment's folder was lost."""

    checkpoint: str = ""
    passphrase: str = ""


def apply(host: ProgramHost, name: str, props: Props, copy: SavedCopy = SavedCopy()) -> AppliedProject:
    """Idempotent. The previous checkout stays until the new one is about to be applied."""
    identifiers.check_label(name, "environment")
    runner = _require_pulumi(host)
    checkout = host.env(name) / "src" / props["generation"]
    decision = _PlanDecision(host, name, props)
    try:
        workspace = _build(runner, name, checkout, props)
        passphrase = saved_runs.passphrase(host, name, copy.passphrase)
        data = {**saved_runs.up_request(host, name, props), "restore": copy.checkpoint}
        env = _environment(runner, name, props["env"], passphrase)
        hidden = tuple(props["env"][variable] for variable in props["secrets"])
        timeout = int(props["project"]["timeout"])
        result = project_run.run(runner, workspace, RunRequest(name, "up", data, env, timeout, hidden, decision))
        _raise_failure(result, "up", props["project"]["folder"], runner)
        found = project_outputs.addresses(result.outputs, props["project"]["outputs"])
    finally:
        domains.remove(runner, name)
        _remove_checkouts(host, name, keep=saved_runs.load(host, name).generation)
    addresses.publish(host, name, props, found, decision.plan.summary)
    notices = tuple(map(wording.policy_notice, result.notices))
    return AppliedProject(found, decision.plan.summary, result.checkpoint, passphrase, notices)


@dataclass(slots=True)
class _PlanDecision:
    """Called with the plan. Raises if a person must approve it first; otherwise the run continues."""

    host: ProgramHost
    name: str
    props: Props
    plan: ProjectPlan = field(default_factory=lambda: ProjectPlan({}, ()))

    def __call__(self, found: Mapping[str, Any]) -> None:
        self.plan = plans.parse(found)
        first = self.host.approve_first and not saved_runs.load(self.host, self.name).generation
        reason = plans.reason_to_ask(self.plan, first, self.host.approve_replacements, self.host.stateful_types)
        if reason and not self.props["approved"]:
            raise TargetError(
                wording.needs_approval(reason, self.plan.summary, self.props["commit"]), self.plan.lines()
            )
        saved_runs.save(self.host, self.name, self.props)


def destroy(host: ProgramHost, name: str, copy: SavedCopy = SavedCopy()) -> None:
    """Destroys the project's resources from their state, then removes the environment. Idempotent."""
    identifiers.check_label(name, "environment")
    saved = saved_runs.load(host, name)
    if saved.generation or copy.checkpoint:
        _destroy_resources(host, name, saved, copy)
    addresses.remove(host, name)


def is_complete(host: ProgramHost, name: str) -> bool:
    return bool(saved_runs.load(host, name).generation) and name in addresses.list_complete(host)


def _destroy_resources(host: ProgramHost, name: str, saved: SavedRun, copy: SavedCopy) -> None:
    runner = _require_pulumi(host)
    data = {**saved_runs.destroy_request(host, name, saved), "restore": copy.checkpoint}
    checkout = host.env(name) / "src" / saved.generation
    home, user = files.make_folder(host.env(name) / "home"), users.reserve(host, name)
    files.make_folder(home / "tmp")
    users.give(home, user)
    try:
        workspace = _workspace(runner, name, checkout if saved.generation and checkout.is_dir() else home)
        env = _environment(runner, name, saved.env, saved_runs.passphrase(host, name, copy.passphrase))
        hidden = tuple(saved.env[variable] for variable in saved.secrets if variable in saved.env)
        result = project_run.run(runner, workspace, RunRequest(name, "destroy", data, env, saved.timeout, hidden))
        _raise_failure(result, "destroy", "", runner)
    finally:
        domains.remove(runner, name)


def _require_pulumi(host: ProgramHost) -> ProgramHost:
    runner = settings.run_host(host)
    if not project_run.has_pulumi(runner):
        raise TargetError(wording.NO_PULUMI)
    return runner


def _build(host: ProgramHost, name: str, checkout: Path, props: Props) -> Workspace:
    home, user = host.env(name) / "home", users.reserve(host, name)
    files.make_folder(home / "tmp")
    files.make_folder(host.env(name) / "logs")
    checkouts.create(host, (props["clone_url"], props["commit"]), checkout)
    users.give(home, user)
    users.give(checkout, user)
    workspace = _workspace(host, name, checkout)
    if build := props.get("build"):
        env = {**outbound.proxy_variables(host), **props["env"]}
        hidden = tuple(props["env"][variable] for variable in props["secrets"])
        run = CommandRun("build", "build", build["command"], int(build["timeout"]), env, hidden)
        source = BuildSource(props["repository"], props["from_fork"], props["read_only_cache"])
        return builds.run(host, name, workspace, run, source)
    return workspace


def _workspace(host: ProgramHost, name: str, checkout: Path) -> Workspace:
    home, cache = host.env(name) / "home", builds.existing_cache(host, name, checkout)
    if sandbox.kind(host) == "none":
        return Workspace(checkout, home, cache=cache)
    return Workspace(checkout, home, domain=domains.ensure(host, name), cache=cache)


def _environment(host: ProgramHost, name: str, env: Mapping[str, str], passphrase: str) -> dict[str, str]:
    """Of the runner, and so of the project. It has nothing of the server's own Pulumi."""
    home = host.env(name) / "home"
    return {
        **outbound.proxy_variables(host),
        **env,
        "PULUMI_BACKEND_URL": f"file://{home / 'state'}",
        "PULUMI_CONFIG_PASSPHRASE": passphrase,
        "PULUMI_HOME": str(home / ".pulumi"),
        "PULUMI_SKIP_UPDATE_CHECK": "1",
        "PULUMI_AUTOMATION_API_SKIP_VERSION_CHECK": "1",
    }


def _raise_failure(result: RunResult, verb: str, folder: str, host: ProgramHost) -> None:
    if not result.error:
        return
    if result.error == "policy":
        raise PolicyViolation(wording.policy_violation(result.lines), result.lines[1:])
    if result.error != "pulumi":
        sentence = wording.problem(result.error, folder, project_run.language_hosts(host))
        raise TargetError(sentence, result.lines)
    first, *rest = result.lines or (wording.NO_ANSWER,)
    raise TargetError(wording.failed(verb, first), rest)


def _remove_checkouts(host: ProgramHost, name: str, keep: str) -> None:
    source = host.env(name) / "src"
    for path in source.iterdir() if source.is_dir() else ():
        if path.name != keep:
            files.remove(path)
    builds.remove_caches(host, name, keep)
