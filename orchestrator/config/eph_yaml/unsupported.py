"""What this version of Eph doesn't support yet: reported, never silently ignored (Y2).

There are two kinds. Ignoring a sign-in or a data source would leave the environment broken or open, so it is a problem.
Ignoring other keys leaves it with less, so it is a notice: the environment is created, and people see what it lacks.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from orchestrator.config.eph_yaml.admission import AdmissionPolicy, resolve_target
from orchestrator.config.eph_yaml.consistency import known_placeholders, variable_values
from orchestrator.config.eph_yaml.models.document import EphYaml
from orchestrator.config.eph_yaml.models.triggers import BranchTrigger
from orchestrator.config.eph_yaml.parsing import Document
from orchestrator.config.problems import Problem
from programs import registry, variables
from programs.registry import RunsTests

YamlPath = tuple[str | int, ...]


def unsupported_features(document: Document, target: str, policy: AdmissionPolicy) -> Iterator[Problem]:
    """What prevents this file from being built on ``target``."""
    yield from _unsupported_triggers(document)
    yield from _unsupported_protection(document, policy)
    found = registry.find(target)
    if found is not None:
        for finding in found.description.problems(document.config.model_dump()):
            yield document.problem(*finding)
        strategies = found.description.database_strategies
        yield from _unsupported_strategies(document, target, strategies, policy.templates.get(target, frozenset()))


def runs_images(target: str) -> bool:
    found = registry.find(target)
    return found is not None and found.description.runs_images


def runs_tests(target: str) -> bool:
    return isinstance(registry.find(target), RunsTests)


def _unsupported_triggers(document: Document) -> Iterator[Problem]:
    """Ignoring it would create more environments than requested."""
    for index, trigger in enumerate(document.config.triggers or ()):
        if isinstance(trigger, BranchTrigger) and trigger.paths:
            message = "this version of Eph ignores the paths of a branch: every push to it counts"
            yield document.problem(("triggers", index, "paths"), message, "remove paths if that is acceptable")


def _unsupported_protection(document: Document, policy: AdmissionPolicy) -> Iterator[Problem]:
    protection = document.config.environment.protection
    if protection is None or protection.sign_in == "none":
        return
    if not policy.sign_in_available:
        yield document.problem(
            ("environment", "protection"),
            "this server doesn't support sign-in because its setting previews.sign_in is off",
            "ask its operator to set EPH_PREVIEWS__SIGN_IN=asked, or use sign_in: none if everyone may see it",
        )
    if protection.allow and not policy.knows_people:
        yield document.problem(
            ("environment", "protection", "allow"),
            "this server can't identify people: everyone who has its preview token has access",
            "ask its operator to configure an identity provider, or remove `allow` if that is acceptable",
        )


def _unsupported_strategies(
    document: Document, target: str, strategies: Sequence[str], templates: frozenset[str]
) -> Iterator[Problem]:
    config = document.config
    for index, item in enumerate(config.database.instances if config.database.enabled else ()):
        where: YamlPath = ("database", "instances", index, "template")
        if item.template.strategy not in strategies:
            message = f"strategy `{item.template.strategy}` is not available on target `{target}`"
            hint = f"use {_either(strategies)}" if strategies else "this target has no databases"
            yield document.problem((*where, "strategy"), message, hint)
        if item.template.strategy == "template" and item.template.source not in templates:
            known = ", ".join(sorted(templates))
            hint = (
                f"available: {known}"
                if known
                else f"ask the server's operator to add one to the setting {target}.templates"
            )
            message = f"this server has no prepared database `{item.template.source}` for the target `{target}`"
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
        found.append((("tests",), "this version of Eph does not run tests on this target"))
    found.extend(
        ((name,), f"this section is for the target `{name}`; the target `{target}` ignores it")
        for name in config.sections
        if name != target
    )
    adapter = registry.find(target)
    if adapter is not None:
        found.extend((item.path, item.message) for item in adapter.description.notices(config.model_dump()))
    return tuple(str(document.problem(path, sentence)) for path, sentence in found)


def _variables(config: EphYaml) -> Iterator[tuple[YamlPath, str]]:
    """Values that aren't used as written."""
    public = {service.name: "" for service in config.services if service.public}
    own = {"PREVIEW_URL", *variables.public_variables(public)}
    known = known_placeholders(config)
    for path, name, text in variable_values(config):
        if name in own:
            yield path, f"Eph itself sets {name}; this value isn't used"
        for placeholder in variables.placeholders(text):
            if placeholder not in known:
                yield path, f"{{{placeholder[:60]}}} isn't a placeholder, so it stays as it is"


def _ignored_in_environment(config: EphYaml, policy: AdmissionPolicy) -> Iterator[tuple[YamlPath, str]]:
    if config.environment.alias_template is not None:
        yield ("environment", "alias_template"), "this version of Eph does not support a second host name"
    never = config.environment.idle_timeout is None and policy.idle_timeout is None
    if config.environment.on_idle == "destroy" and never:
        yield ("environment", "on_idle"), "it has no effect without idle_timeout"
