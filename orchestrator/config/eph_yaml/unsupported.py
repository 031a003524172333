"""What this version of Eph doesn't support yet: reported, never silently ignored (Y2).

There are two kinds. Ignoring a sign-in or a data source would leave the environment broken or open, so it is a problem.
Ignoring other keys leaves it with less, so it is a notice: the environment is created, and people see what it lacks.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from orchestrator.config import wording
from orchestrator.config.eph_yaml.admission import AdmissionPolicy, resolve_target
from orchestrator.config.eph_yaml.consistency import known_placeholders, variable_values
from orchestrator.config.eph_yaml.models.document import EphYaml
from orchestrator.config.eph_yaml.models.triggers import BranchTrigger
from orchestrator.config.eph_yaml.parsing import Document
from orchestrator.config.problems import Problem
from programs import registry, variables
from programs.eph_yaml import templates
from programs.registry import TargetDescription
from programs.spec import POSTGRESQL

YamlPath = tuple[str | int, ...]


def unsupported_features(document: Document, target: str, policy: AdmissionPolicy) -> Iterator[Problem]:
    """What prevents this file from being built on ``target``."""
    yield from _unsupported_triggers(document)
    yield from _unsupported_protection(document, policy)
    found = registry.describe(target)
    if found is not None:
        for finding in found.problems(document.config.model_dump()):
            yield document.problem(*finding)
        if document.config.mail and not found.catches_mail:
            yield document.problem(("mail",), wording.admission.no_mail_catcher(target), wording.admission.REMOVE_MAIL)
        yield from _unsupported_engines(document, target, found, policy)
        strategies = found.database_strategies
        yield from _unsupported_strategies(document, target, strategies, policy.templates.get(target, frozenset()))


def runs_images(target: str) -> bool:
    found = registry.describe(target)
    return found is not None and found.runs_images


def runs_tests(target: str) -> bool:
    found = registry.describe(target)
    return found is not None and found.runs_tests


def _unsupported_triggers(document: Document) -> Iterator[Problem]:
    """Ignoring it would create more environments than requested."""
    for index, trigger in enumerate(document.config.triggers or ()):
        if isinstance(trigger, BranchTrigger) and trigger.paths:
            message = wording.admission.PATHS_IGNORED
            yield document.problem(("triggers", index, "paths"), message, wording.admission.REMOVE_PATHS)


def _unsupported_protection(document: Document, policy: AdmissionPolicy) -> Iterator[Problem]:
    protection = document.config.environment.protection
    if protection is None or protection.sign_in == "none":
        return
    if not policy.sign_in_available:
        yield document.problem(
            ("environment", "protection"),
            wording.admission.SIGN_IN_IS_OFF,
            wording.admission.ASK_FOR_SIGN_IN,
        )
    if protection.allow and not policy.knows_people:
        yield document.problem(
            ("environment", "protection", "allow"),
            wording.admission.CANNOT_IDENTIFY_PEOPLE,
            wording.admission.ASK_FOR_PROVIDER,
        )


def _unsupported_engines(
    document: Document, target: str, description: TargetDescription, policy: AdmissionPolicy
) -> Iterator[Problem]:
    config = document.config
    if not (config.database.enabled and description.database_strategies):
        return
    missing = description.missing_engines() if policy.checks_machine else {}
    for index, item in enumerate(config.database.instances):
        where: YamlPath = ("database", "instances", index, "engine")
        if item.engine not in description.database_engines:
            message = wording.admission.engine_unavailable(item.engine, target)
            yield document.problem(where, message, f"use {_either(description.database_engines)}")
        elif item.engine in missing:
            message = wording.admission.engine_not_installed(item.engine)
            yield document.problem(where, message, wording.admission.ask_for_package(missing[item.engine]))


def _unsupported_strategies(
    document: Document, target: str, strategies: Sequence[str], templates: frozenset[str]
) -> Iterator[Problem]:
    config = document.config
    for index, item in enumerate(config.database.instances if config.database.enabled else ()):
        if strategies and item.engine != POSTGRESQL:
            continue
        where: YamlPath = ("database", "instances", index, "template")
        if item.template.strategy not in strategies:
            message = wording.admission.strategy_unavailable(item.template.strategy, target)
            hint = f"use {_either(strategies)}" if strategies else wording.admission.NO_DATABASES
            yield document.problem((*where, "strategy"), message, hint)
        if item.template.strategy == "template" and item.template.source not in templates:
            known = ", ".join(sorted(templates))
            hint = f"available: {known}" if known else wording.admission.ask_for_database(target)
            message = wording.admission.database_unknown(item.template.source, target)
            yield document.problem((*where, "source"), message, hint)


def _either(words: Sequence[str]) -> str:
    """``a``, ``a or b``, ``a, b or c``."""
    return " or ".join(part for part in (", ".join(words[:-1]), words[-1]) if part)


def notices(document: Document, policy: AdmissionPolicy) -> tuple[str, ...]:
    """What this version ignores, one sentence each, with file and line."""
    config = document.config
    target = resolve_target(config, policy)
    found = [*_ignored_in_environment(config, policy), *_variables(config)]
    if config.tests and not runs_tests(target):
        found.append((("tests",), wording.admission.NO_TESTS))
    found.extend(
        ((name,), wording.admission.other_targets_section(name, target)) for name in config.sections if name != target
    )
    description = registry.describe(target)
    if description is not None:
        found.extend((item.path, item.message) for item in description.notices(config.model_dump()))
    return tuple(str(document.problem(path, sentence)) for path, sentence in found)


def _variables(config: EphYaml) -> Iterator[tuple[YamlPath, str]]:
    """Values that aren't used as written."""
    public = {service.name: "" for service in config.services if service.public}
    own = {"PREVIEW_URL", *variables.public_variables(public)}
    known = known_placeholders(config)
    for path, name, text in variable_values(config):
        if name in own:
            yield path, wording.admission.set_by_eph(name)
        for placeholder in variables.placeholders(text):
            if placeholder not in known and not templates.is_placeholder(placeholder):
                yield path, wording.admission.not_a_placeholder(placeholder[:60])


def _ignored_in_environment(config: EphYaml, policy: AdmissionPolicy) -> Iterator[tuple[YamlPath, str]]:
    if config.environment.alias_template is not None:
        yield ("environment", "alias_template"), wording.admission.NO_SECOND_HOST
    if config.environment.bar and not policy.bar_available:
        yield ("environment", "bar"), wording.admission.BAR_IS_OFF
    never = config.environment.idle_timeout is None and policy.idle_timeout is None
    if config.environment.on_idle == "destroy" and never:
        yield ("environment", "on_idle"), wording.admission.NEEDS_IDLE_TIMEOUT
