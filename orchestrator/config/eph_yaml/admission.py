"""What this server allows a repository to request (Y4). Exceeding a limit is an error that names the limit; a request
is never silently reduced."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from orchestrator.config import wording
from orchestrator.config.eph_yaml.models.document import EphYaml
from orchestrator.config.eph_yaml.parsing import Document
from orchestrator.config.problems import Problem
from programs.eph_yaml.durations import format_duration
from programs.eph_yaml.field_types import CommandConfig
from programs.quoting import quote
from programs.spec import DEFAULT_TARGET

YamlPath = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class AdmissionPolicy:
    """``allowed_targets`` can be selected, ``installed_targets`` exist; ``domains`` can be selected besides the
    server's own. ``sign_in_available``: whether a file can require sign-in. ``templates``: the prepared databases by
    target. ``registries``: the allowed prefixes of images by target; empty allows all."""

    installed_targets: frozenset[str] = frozenset({DEFAULT_TARGET})
    allowed_targets: frozenset[str] = frozenset({DEFAULT_TARGET})
    default_target: str = DEFAULT_TARGET
    default_labels: frozenset[str] = frozenset({"preview"})
    max_ttl: timedelta = timedelta(days=30)
    default_ttl: timedelta = timedelta(hours=72)
    idle_timeout: timedelta | None = None
    domains: frozenset[str] = frozenset()
    max_services: int = 10
    max_public_services: int = 5
    max_databases: int = 3
    max_command_timeout: timedelta = timedelta(minutes=30)
    max_health_deadline: timedelta = timedelta(minutes=15)
    sign_in_available: bool = False
    knows_people: bool = False
    """Whether there is an identity provider, so that ``allow`` can name people."""
    bar_available: bool = True
    """Whether a file can ask for the bar on its pages."""
    templates: Mapping[str, frozenset[str]] = field(default_factory=dict)
    registries: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    app_routes: Mapping[str, str] = field(default_factory=dict)
    """The routes of apps, each with the repository that can use it."""
    checks_machine: bool = False
    """Whether what the file needs must be installed on this machine."""
    label_deploy_obstacles: Mapping[str, str] = field(default_factory=dict)
    """Why a target can't have label deploys: what to do about it, by target."""


@dataclass(frozen=True, slots=True)
class SecretGrants:
    """What one repository can use of this server's secrets (Y4). ``granted``: the current mark of the value, by name.
    ``withheld``: secrets that the repository can use but its forks can't. ``unreadable``: secrets that can't be read
    right now."""

    granted: Mapping[str, str] = field(default_factory=dict)
    withheld: frozenset[str] = frozenset()
    unreadable: frozenset[str] = frozenset()


def resolve_target(config: EphYaml, policy: AdmissionPolicy) -> str:
    """The target: what the file selects, or what its sections imply, or the server's default."""
    return config.target or next(iter(config.sections), policy.default_target)


def target_problem(document: Document, policy: AdmissionPolicy, *, is_label_deploy: bool = False) -> Problem | None:
    """Why the target isn't available; if it isn't, nothing else is worth reporting."""
    target = resolve_target(document.config, policy)
    path: YamlPath = ("target",) if document.config.target else document.config.sections[:1]
    usable = sorted(policy.installed_targets & policy.allowed_targets)
    hint = wording.admission.use_target(usable[0]) if usable else wording.admission.ASK_OPERATOR
    if target not in policy.installed_targets:
        return document.problem(path, wording.admission.target_not_installed(target), hint)
    if target not in policy.allowed_targets:
        return document.problem(path, wording.admission.target_not_allowed(target), hint)
    obstacle = policy.label_deploy_obstacles.get(target, "")
    if is_label_deploy and obstacle:
        return document.problem(path, wording.admission.no_label_deploys(target), obstacle)
    return None


def limit_problems(document: Document, policy: AdmissionPolicy, domain: str) -> Iterator[Problem]:
    """Everything in the file that exceeds the server's limits."""
    config = document.config
    yield from _count_problems(document, policy)
    for path, length, most in (*_durations(config, policy), *_command_timeouts(config, policy)):
        if length > most:
            requested, granted = format_duration(length), format_duration(most)
            yield document.problem(
                path, wording.admission.over_limit(requested), wording.admission.use_at_most(granted)
            )
    dns = config.environment.dns
    if dns and dns.domain not in policy.domains | {domain}:
        allowed = ", ".join(sorted(policy.domains | {domain}))
        yield document.problem(
            ("environment", "dns", "domain"),
            wording.admission.DOMAIN_NOT_ALLOWED,
            wording.admission.allowed_domains(allowed),
        )


def route_problems(document: Document, policy: AdmissionPolicy, repository: str) -> Iterator[Problem]:
    """A route belongs to one repository, so no other one can take over its host names."""
    app = document.config.app
    if app is not None and policy.app_routes.get(app.route, "").lower() != repository.lower():
        message = wording.admission.route_not_allowed(repository)
        hint = wording.admission.ask_for_route(app.route, repository)
        yield document.problem(("app", "route"), message, hint)


def unknown_secrets(document: Document, grants: SecretGrants, repository: str) -> Iterator[Problem]:
    """Names without a value. Doesn't reveal whether the server has such a secret for other repositories."""
    for variable, name in document.config.environment.secrets.items():
        path: YamlPath = ("environment", "secrets", variable)
        if name in grants.unreadable:
            message = wording.admission.secret_unreadable(quote(name))
            yield document.problem(path, message, wording.admission.SEE_EVENTS)
        elif name not in grants.granted and name not in grants.withheld:
            message = wording.admission.secret_missing(quote(name), repository)
            hint = wording.admission.ASK_FOR_SECRET
            yield document.problem(path, message, hint)


def withheld_secrets(document: Document, grants: SecretGrants) -> Iterator[Problem]:
    """What a fork doesn't get; its environment is created anyway."""
    for variable, name in document.config.environment.secrets.items():
        if name in grants.withheld:
            message = wording.admission.not_for_forks(quote(name))
            yield document.problem(("environment", "secrets", variable), message)


def _count_problems(document: Document, policy: AdmissionPolicy) -> Iterator[Problem]:
    config = document.config
    public = sum(service.public for service in config.services)
    databases = config.database.instances if config.database.enabled else ()
    counted: tuple[tuple[YamlPath, str, int, int], ...] = (
        (("services",), "services", len(config.services), policy.max_services),
        (("services",), "public services", public, policy.max_public_services),
        (("database", "instances"), "databases", len(databases), policy.max_databases),
    )
    for path, what, count, most in counted:
        if count > most:
            yield document.problem(path, wording.admission.too_many(count, what), wording.admission.at_most(most))


def _durations(config: EphYaml, policy: AdmissionPolicy) -> Iterator[tuple[YamlPath, timedelta, timedelta]]:
    if config.environment.ttl:
        yield ("environment", "ttl"), config.environment.ttl, policy.max_ttl
    for index, service in enumerate(config.services):
        yield ("services", index, "health", "deadline"), service.health.deadline, policy.max_health_deadline


def _command_timeouts(config: EphYaml, policy: AdmissionPolicy) -> Iterator[tuple[YamlPath, timedelta, timedelta]]:
    """Every command has a timeout, so that one that hangs doesn't block others for long."""
    for path, command in all_commands(config):
        yield (*path, "timeout"), command.timeout, policy.max_command_timeout
    for index, suite in enumerate(config.tests):
        yield ("tests", index, "timeout"), suite.timeout, policy.max_command_timeout
    for name in config.sections:
        section = config.section(name)
        for own in section.suites() if section else ():
            yield (name,), timedelta(seconds=own.command.timeout), policy.max_command_timeout


def all_commands(config: EphYaml) -> Iterator[tuple[YamlPath, CommandConfig]]:
    """Every command of the file with its path."""
    if config.build:
        yield ("build",), config.build
    for index, item in enumerate(config.database.instances):
        if item.migrate:
            yield ("database", "instances", index, "migrate"), item.migrate
        if item.template.seed and item.template.seed.command:
            yield ("database", "instances", index, "template", "seed", "command"), item.template.seed.command
    yield from _hook_commands("pre_create", config.hooks.pre_create)
    yield from _hook_commands("post_create", config.hooks.post_create)
    yield from _hook_commands("pre_destroy", config.hooks.pre_destroy)


def _hook_commands(name: str, commands: Iterable[CommandConfig]) -> Iterator[tuple[YamlPath, CommandConfig]]:
    for index, command in enumerate(commands):
        yield ("hooks", name, index), command
