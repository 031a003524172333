"""What this version of Eph does not do yet: said, never passed over (Y2).

Two kinds. What would leave the environment broken or open when left out is a problem: a sign-in, a data source. What
only leaves it plainer is a notice: it is made, and people are told what they do not get.
"""

from __future__ import annotations

from collections.abc import Iterator

from orchestrator.config.eph_yaml.admission import AdmissionPolicy, resolve_target
from orchestrator.config.eph_yaml.models.document import EphYaml
from orchestrator.config.eph_yaml.models.triggers import BranchTrigger
from orchestrator.config.eph_yaml.parsing import Document
from orchestrator.config.problems import Problem

LOCAL = "local"
KUBERNETES = "kubernetes"
TEST_TARGETS = (LOCAL, KUBERNETES)
"""Where a repository's own tests are run."""
_STRATEGIES = ("empty", "seed", "template")
"""Those of the targets `local` and `kubernetes`."""
YamlPath = tuple[str | int, ...]


def unsupported_features(document: Document, target: str, policy: AdmissionPolicy) -> Iterator[Problem]:
    """What keeps this file from being built on ``target``."""
    yield from _unsupported_triggers(document)
    yield from _unsupported_protection(document, policy.sign_in_available)
    if target == LOCAL:
        yield from _unsupported_on_local(document)
    if target in (LOCAL, KUBERNETES):
        yield from _unsupported_strategies(document, target, policy.templates.get(target, frozenset()))
    if target == KUBERNETES:
        yield from _unsupported_on_kubernetes(document)


def _unsupported_triggers(document: Document) -> Iterator[Problem]:
    """To pass over it would make more environments than were asked for."""
    for index, trigger in enumerate(document.config.triggers or ()):
        if isinstance(trigger, BranchTrigger) and trigger.paths:
            message = "this version of Eph ignores the paths of a branch: every push to it counts"
            yield document.problem(("triggers", index, "paths"), message, "remove paths if that is acceptable")


def _unsupported_protection(document: Document, sign_in: bool) -> Iterator[Problem]:
    protection = document.config.environment.protection
    if protection is None or protection.sign_in == "none":
        return
    if not sign_in:
        yield document.problem(
            ("environment", "protection"),
            "this server doesn't support sign-in because its setting previews.sign_in is off",
            "ask its operator to set EPH_PREVIEWS__SIGN_IN=asked, or use sign_in: none if everyone may see it",
        )
    if protection.allow:
        yield document.problem(
            ("environment", "protection", "allow"),
            "this version of Eph can't identify people: everyone who has the server's preview token has access",
            "remove `allow` if that is acceptable",
        )


def _unsupported_on_local(document: Document) -> Iterator[Problem]:
    config = document.config
    if not config.services:
        yield document.problem(
            (), "the target `local` needs at least one service", "add services, each with name and command"
        )
    for index, service in enumerate(config.services):
        if service.command is None:
            message = f"the target `local` does not support images, and service `{service.name}` has no command"
            yield document.problem(("services", index), message, "add a command")
        if service.schedule:
            message = "the target `local` does not support scheduled services"
            yield document.problem(("services", index, "schedule"), message, "remove the service")


def _unsupported_on_kubernetes(document: Document) -> Iterator[Problem]:
    config = document.config
    if not config.services and not config.kubernetes:
        message = "the target `kubernetes` needs services or manifests"
        yield document.problem((), message, "add services, each with name and image, or kubernetes.manifests")
    for index, service in enumerate(config.services):
        if service.image is None:
            message = f"the target `kubernetes` needs an image for each service, but service `{service.name}` has none"
            yield document.problem(("services", index), message, "add image, the name of one of environment.images")


def _unsupported_strategies(document: Document, target: str, templates: frozenset[str]) -> Iterator[Problem]:
    config = document.config
    for index, item in enumerate(config.database.instances if config.database.enabled else ()):
        where: YamlPath = ("database", "instances", index, "template")
        if item.template.strategy not in _STRATEGIES:
            message = f"strategy `{item.template.strategy}` is not available on target `{target}`"
            yield document.problem((*where, "strategy"), message, "use empty, seed or template")
        if item.template.strategy == "template" and item.template.source not in templates:
            known = ", ".join(sorted(templates))
            hint = (
                f"available: {known}"
                if known
                else f"ask the server's operator to add one to the setting {target}.templates"
            )
            message = f"this server has no prepared database `{item.template.source}` for the target `{target}`"
            yield document.problem((*where, "source"), message, hint)


def notices(document: Document, policy: AdmissionPolicy) -> tuple[str, ...]:
    """What is asked for and not done by this version, one sentence each, with file and line."""
    config = document.config
    found = list(_ignored_in_environment(config, policy))
    if config.tests and resolve_target(config, policy) not in TEST_TARGETS:
        found.append((("tests",), "this version of Eph does not run tests on this target"))
    match resolve_target(config, policy):
        case "local":
            found.extend(_ignored_on_local(config))
        case "kubernetes":
            found.extend(_ignored_on_kubernetes(config))
    return tuple(str(document.problem(path, sentence)) for path, sentence in found)


def _ignored_in_environment(config: EphYaml, policy: AdmissionPolicy) -> Iterator[tuple[YamlPath, str]]:
    if config.environment.alias_template is not None:
        yield ("environment", "alias_template"), "this version of Eph does not support a second host name"
    never = config.environment.idle_timeout is None and policy.idle_timeout is None
    if config.environment.on_idle == "destroy" and never:
        yield ("environment", "on_idle"), "it has no effect without idle_timeout"


def _ignored_on_kubernetes(config: EphYaml) -> Iterator[tuple[YamlPath, str]]:
    if config.build:
        yield ("build",), "the target `kubernetes` does not build; images come from CI"
    for index, image in enumerate(config.environment.images):
        if image.fallback == "fail" and image.fallback_tag:
            yield ("environment", "images", index, "fallback_tag"), "it has no effect with `fallback: fail`"


def _ignored_on_local(config: EphYaml) -> Iterator[tuple[YamlPath, str]]:
    if config.environment.resources:
        yield ("environment", "resources"), "the target `local` does not limit CPU, memory or disk"
    if config.environment.images:
        yield ("environment", "images"), "the target `local` does not support images"
    if config.kubernetes:
        yield ("kubernetes",), "the target `local` does not support manifests"
    for index, service in enumerate(config.services):
        if service.image is not None and service.command is not None:
            yield ("services", index, "image"), "the target `local` runs the command, not the image"
        if service.volumes:
            yield (
                ("services", index, "volumes"),
                "the target `local` has no volumes; files are deleted with the checkout",
            )
        if service.resources:
            yield ("services", index, "resources"), "the target `local` does not limit CPU or memory"
