"""Turns a repository's file and one pull request into what the planner works with, within the server's limits.

Nothing is silently reduced: a request that exceeds a limit or isn't available on the target is a problem with file and
line, and the running environment stays unchanged.
"""

from __future__ import annotations

import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from orchestrator.config import wording
from orchestrator.config.eph_yaml import image_requests, label_variants, unsupported
from orchestrator.config.eph_yaml.admission import (
    AdmissionPolicy,
    SecretGrants,
    limit_problems,
    resolve_target,
    route_problems,
    target_problem,
    unknown_secrets,
)
from orchestrator.config.eph_yaml.consistency import MAX_BRANCH_LENGTH, MAX_NAME_LENGTH
from orchestrator.config.eph_yaml.models.database_section import DatabaseConfig
from orchestrator.config.eph_yaml.models.document import EphYaml
from orchestrator.config.eph_yaml.models.services_section import ServiceConfig
from orchestrator.config.eph_yaml.models.triggers import BranchTrigger, LabelTrigger, TagTrigger
from orchestrator.config.eph_yaml.parsing import Document
from orchestrator.config.eph_yaml.triggers import trigger_labels
from orchestrator.config.problems import InvalidConfig, Problem
from orchestrator.core.model.world import AppRoute, LinkTemplate, Recipe
from orchestrator.core.sleep import schedules
from orchestrator.core.sleep.schedules import WeeklySchedule
from orchestrator.core.util import globs
from programs import spec as specs
from programs import variables
from programs.eph_yaml.durations import format_duration
from programs.eph_yaml.field_types import CommandConfig
from programs.eph_yaml.templates import fill_known, render
from stacks.model import Key, RefKind
from stacks.names import slug

MAX_HOST_LABEL = 63
MAX_NUMBER_LENGTH = 7


@dataclass(frozen=True, slots=True)
class RecipeContext:
    """The pull request for which the file is read. ``target_settings`` are the target's, from the server.
    ``existing_name`` is the name of the running environment, which it keeps so that its URL stays. ``labels`` are the
    pull request's: only the triggers that they match decide what to wait for.
    ``default_branch`` is the repository's. ``from_fork``: the commit comes from a fork."""

    key: Key
    repository_name: str
    head_sha: str
    head_ref: str
    clone_url: str
    random_words: str
    existing_name: str = ""
    domain: str = "localhost"
    target_settings: Mapping[str, str] = field(default_factory=dict)
    labels: frozenset[str] = frozenset()
    grants: SecretGrants = field(default_factory=SecretGrants)
    default_branch: str = ""
    from_fork: bool = False


def build_recipe(document: Document, context: RecipeContext, policy: AdmissionPolicy) -> Recipe:
    """What to build for this pull request. Raises InvalidConfig with everything that prevents it."""
    variant = label_variants.select(document.config, context.labels)
    config = label_variants.with_size(document.config, variant.size)
    document = replace(document, config=config)
    unusable = target_problem(document, policy, is_label_deploy=context.key.kind is RefKind.DEPLOY)
    if unusable:
        raise InvalidConfig([unusable])
    name = context.existing_name or environment_name(config, context)
    target, values = resolve_target(config, policy), _placeholder_values(config, context)
    runs_images, registries = unsupported.runs_images(target), policy.registries.get(target, ())
    problems = [
        *limit_problems(document, policy, context.domain),
        *route_problems(document, policy, context.repository_name),
        *unsupported.unsupported_features(document, target, policy),
        *(image_requests.image_problems(document, values, registries) if runs_images else ()),
        *unknown_secrets(document, context.grants, context.repository_name),
        *_name_problems(document, name, _host(config, context, name)),
        *(document.problem(path, error.message, error.expected) for path, error in variant.conflicts),
    ]
    if problems:
        raise InvalidConfig(problems)
    optional = image_requests.optional_images(config, variant.disabled)
    config = label_variants.without_services(config, variant.disabled)
    triggers, requests = _matching_triggers(config, context), image_requests.requests_of(config, values, target)
    images = tuple(requests) if runs_images else ()
    return Recipe(
        spec=replace(
            _spec(config, context, policy, name),
            optional_images=tuple(image.name for image in images if image.name in optional),
        ),
        labels=trigger_labels(document, policy.default_labels),
        wait_for_checks=tuple(dict.fromkeys(check for item in triggers for check in item.wait_for_checks)),
        ttl=config.environment.ttl,
        suites=_suites(config, target, values) if unsupported.runs_tests(target) else (),
        images=images,
        idle_timeout=config.environment.idle_timeout,
        destroy_when_idle=config.environment.on_idle == "destroy",
        schedule=_schedule(config),
        paths=_paths(triggers),
        allow_drafts=_drafts(triggers),
        app=_app(config, context),
        links=_links(config, values),
        disabled=variant.disabled,
        size=variant.size,
        bar=config.environment.bar and policy.bar_available,
    )


def _links(config: EphYaml, values: Mapping[str, str]) -> tuple[LinkTemplate, ...]:
    """A path is one of the environment's own URL."""
    return tuple(
        LinkTemplate(item.name, fill_known(f"{{url}}{item.url}" if item.url.startswith("/") else item.url, values))
        for item in config.links
    )


def _schedule(config: EphYaml) -> WeeklySchedule | None:
    schedule = config.environment.schedule
    return schedules.parse(schedule.timezone, schedule.awake) if schedule else None


def environment_name(config: EphYaml, context: RecipeContext) -> str:
    """The name from the file's template: always a DNS label, whatever the branch is called."""
    return slug(render(config.environment.name_template, _placeholder_values(config, context)), 500)


def _placeholder_values(config: EphYaml, context: RecipeContext) -> dict[str, str]:
    """The values of placeholders."""
    branch = slug(context.head_ref, MAX_BRANCH_LENGTH)
    # The words distinguish a branch or tag from all others; instead of the number, people see the start of its name.
    is_pull = context.key.kind is RefKind.PULL
    number = str(context.key.number) if is_pull else slug(context.head_ref, MAX_NUMBER_LENGTH) or context.key.kind
    return {
        "project": config.name,
        "words": context.random_words,
        "number": number,
        "pr_number": number,
        "branch": branch,
        "ref_type": str(context.key.kind),
        "ref_name": branch,
        "commit_sha": context.head_sha,
    }


def _app(config: EphYaml, context: RecipeContext) -> AppRoute:
    return AppRoute(config.app.route, config.app.branch or context.default_branch) if config.app else AppRoute()


def _host(config: EphYaml, context: RecipeContext, name: str) -> str:
    """A label deploy is below the app's route, which leads to the active version; everything else has its name."""
    app, kind = _app(config, context), context.key.kind
    if app.host and kind is RefKind.DEPLOY:
        return f"{context.head_ref}.{app.host}"
    if app.host and kind is RefKind.BRANCH and context.head_ref == app.branch:
        return app.host
    dns = config.environment.dns
    return f"{name}.{dns.domain if dns else context.domain}"


def _name_problems(document: Document, name: str, host: str) -> list[Problem]:
    found = []
    if len(name) > MAX_NAME_LENGTH:
        found.append(
            document.problem(
                ("environment", "name_template"),
                wording.admission.name_too_long(len(name)),
                wording.admission.shorten_name(MAX_NAME_LENGTH),
            )
        )
    public = [(index, item) for index, item in enumerate(document.config.services) if item.public]
    for index, service in public[1:]:
        label = f"{service.name}--{host.partition('.')[0]}"
        if len(label) > MAX_HOST_LABEL:
            message = wording.admission.label_too_long(label)
            found.append(document.problem(("services", index, "name"), message, wording.admission.SHORTEN_SERVICE_NAME))
    return found


def _suites(config: EphYaml, target: str, values: Mapping[str, str]) -> tuple[specs.SuiteSpec, ...]:
    protection, section = config.environment.protection, config.section(target)
    own = tuple(
        specs.SuiteSpec(
            name=suite.name,
            command=specs.CommandSpec(suite.command, _seconds(suite.timeout)),
            kind=suite.kind,
            env=_filled(suite.env, values),
            junit=posixpath.normpath(suite.junit) if suite.junit else "",
            artifacts=posixpath.normpath(suite.artifacts),
            blocking=suite.blocking,
            needs=suite.needs,
            token=protection is None or protection.token_for_tests,
        )
        for suite in config.tests
    )
    return own + (section.suites() if section else ())


def _matching_triggers(config: EphYaml, context: RecipeContext) -> Sequence[LabelTrigger | BranchTrigger | TagTrigger]:
    """The label triggers that this pull request matches, or all of them if its labels aren't known. For a branch or
    tag, those whose globs match."""
    if context.key.kind is not RefKind.PULL:
        named = (item for item in config.triggers or () if isinstance(item, BranchTrigger | TagTrigger))
        return [item for item in named if globs.any_matches(_globs(item, context.key.kind), context.head_ref)]
    found = [item for item in config.triggers or () if isinstance(item, LabelTrigger)]
    matched = [item for item in found if context.labels & set(item.labels)]
    return matched or found


def _globs(trigger: BranchTrigger | TagTrigger, kind: RefKind) -> tuple[str, ...]:
    if kind is RefKind.BRANCH:
        return trigger.branches if isinstance(trigger, BranchTrigger) else ()
    return trigger.tags if kind is RefKind.TAG and isinstance(trigger, TagTrigger) else ()


def _paths(triggers: Sequence[LabelTrigger | BranchTrigger | TagTrigger]) -> tuple[str, ...]:
    """A trigger without paths accepts any change. Only a pull request has changed files."""
    labelled = [item for item in triggers if isinstance(item, LabelTrigger)]
    if not all(item.paths for item in labelled):
        return ()
    return tuple(dict.fromkeys(path for item in labelled for path in item.paths))


def _drafts(triggers: Sequence[LabelTrigger | BranchTrigger | TagTrigger]) -> bool:
    labelled = [item for item in triggers if isinstance(item, LabelTrigger)]
    return not labelled or any(item.drafts for item in labelled)


def _spec(config: EphYaml, context: RecipeContext, policy: AdmissionPolicy, name: str) -> specs.EnvironmentSpec:
    protection = config.environment.protection
    target_fields = _target_fields(config, context, resolve_target(config, policy))
    values = _placeholder_values(config, context)
    return specs.EnvironmentSpec(
        name=name,
        host=_host(config, context, name),
        target=resolve_target(config, policy),
        project=config.name,
        source=specs.GitSource(context.clone_url, context.head_sha, context.head_ref),
        services=target_fields.pop("services", None) or tuple(_service(item, values) for item in config.services),
        databases=tuple(_database(item) for item in config.database.instances if config.database.enabled),
        build=_command(config.build),
        env={**_libpq_variables(config), **_filled(config.environment.env, values)},
        hooks=_hooks(config),
        marks=_tags(config, context, policy, name),
        settings=dict(context.target_settings),
        sign_in=protection is not None and protection.sign_in == "required",
        allow=protection.allow if protection is not None and protection.sign_in == "required" else (),
        secrets=_secrets(config, context.grants),
        mail=config.mail,
        repository=str(context.key.repository),
        from_fork=context.from_fork,
        read_only_cache=context.key.kind is RefKind.DEPLOY,
        **target_fields,
    )


def _secrets(config: EphYaml, grants: SecretGrants) -> dict[str, specs.Secret]:
    named = config.environment.secrets.items()
    return {
        variable: specs.Secret(name, grants.granted[name]) for variable, name in sorted(named) if name in grants.granted
    }


def _target_fields(config: EphYaml, context: RecipeContext, target: str) -> dict[str, Any]:
    """What the target's section sets, and limits for targets that run images. The images themselves are resolved first
    (``Recipe.images``)."""
    values, section = _placeholder_values(config, context), config.section(target)
    fields = section.spec_fields(lambda text: render(text, values)) if section else {}
    if unsupported.runs_images(target):
        fields["replaced_images"] = {item.name: item.replaces for item in config.environment.images if item.replaces}
        resources = config.environment.resources
        fields["resources"] = {key: value for key, value in (resources or ()) if value is not None}
    return fields


def _tags(config: EphYaml, context: RecipeContext, policy: AdmissionPolicy, name: str) -> dict[str, str]:
    """The marks of every resource of the environment."""
    marks = {
        "Environment": name,
        "ManagedBy": "eph",
        "EphemeralTTL": format_duration(config.environment.ttl or policy.default_ttl),
        "Repository": context.repository_name,
    }
    is_pull = context.key.kind is RefKind.PULL
    marks |= {"PRNumber": str(context.key.number)} if is_pull else {"Ref": f"{context.key.kind} {context.head_ref}"}
    return {"Team": config.team, **marks} if config.team else marks


def _filled(env: Mapping[str, str], values: Mapping[str, str]) -> dict[str, str]:
    """The placeholders that are known now. URLs and databases are filled in where the variables are used."""
    return {name: fill_known(text, values) for name, text in env.items()}


def _service(service: ServiceConfig, values: Mapping[str, str]) -> specs.ServiceSpec:
    return specs.ServiceSpec(
        name=service.name,
        command=service.command or "",
        public=service.public,
        health=specs.HealthCheck(
            service.health.path if service.health.enabled else "", _seconds(service.health.deadline)
        ),
        env=_filled(service.env, values),
        image=service.image or "",
        port=service.port or 0,
        schedule=service.schedule or "",
        after=service.after,
        volumes=dict(service.volumes),
        resources={key: value for key, value in (service.resources or ()) if value is not None},
    )


def _database(database: DatabaseConfig) -> specs.DatabaseSpec:
    seed = database.template.seed
    return specs.DatabaseSpec(
        name=database.name,
        version=database.version,
        variable=database.variable,
        strategy=database.template.strategy,
        scripts=tuple(posixpath.normpath(path) for path in seed.scripts) if seed else (),
        seed=_command(seed.command) if seed else None,
        migrate=_command(database.migrate),
        source=database.template.source or "",
        migrate_first=database.order == "migrate-first",
        engine=database.engine,
    )


def _libpq_variables(config: EphYaml) -> dict[str, str]:
    chosen = next((item.name for item in config.database.instances if item.libpq), "")
    return variables.libpq_variables(chosen) if chosen and config.database.enabled else {}


def _hooks(config: EphYaml) -> specs.LifecycleHooks:
    def made(commands: tuple[CommandConfig, ...]) -> tuple[specs.CommandSpec, ...]:
        return tuple(specs.CommandSpec(item.command, _seconds(item.timeout)) for item in commands)

    hooks = config.hooks
    return specs.LifecycleHooks(made(hooks.pre_create), made(hooks.post_create), made(hooks.pre_destroy))


def _command(command: CommandConfig | None) -> specs.CommandSpec | None:
    return specs.CommandSpec(command.command, _seconds(command.timeout)) if command else None


def _seconds(length: timedelta) -> int:
    return max(1, int(length.total_seconds()))
