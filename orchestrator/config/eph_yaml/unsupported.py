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
            message = "this version of Eph does not look at the paths of a branch: every push to it counts"
            yield document.problem(("triggers", index, "paths"), message, "take paths out if that will do")


def _unsupported_protection(document: Document, sign_in: bool) -> Iterator[Problem]:
    protection = document.config.environment.protection
    if protection is None or protection.sign_in == "none":
        return
    if not sign_in:
        yield document.problem(
            ("environment", "protection"),
            "this server does not ask people to sign in, its setting previews.sign_in is off",
            "ask its operator for EPH_PREVIEWS__SIGN_IN=asked; or write sign_in: none if all may see it",
        )
    if protection.allow:
        yield document.problem(
            ("environment", "protection", "allow"),
            "this version of Eph cannot tell people apart: whoever has the server's preview token gets in",
            "take `allow` out if that will do",
        )


def _unsupported_on_local(document: Document) -> Iterator[Problem]:
    config = document.config
    if not config.services:
        yield document.problem(
            (), "there are no services, and the target `local` runs nothing else", "add services with name and command"
        )
    for index, service in enumerate(config.services):
        if service.command is None:
            message = f"the target `local` runs no images, and service `{service.name}` has no command"
            yield document.problem(("services", index), message, "add a command")
        if service.schedule:
            message = "the target `local` runs nothing by schedule"
            yield document.problem(("services", index, "schedule"), message, "take the service out")


def _unsupported_on_kubernetes(document: Document) -> Iterator[Problem]:
    config = document.config
    if not config.services and not config.kubernetes:
        message = "there are neither services nor manifests, and the target `kubernetes` runs nothing else"
        yield document.problem((), message, "add services with name and image, or kubernetes.manifests")
    for index, service in enumerate(config.services):
        if service.image is None:
            message = f"the target `kubernetes` runs images, and service `{service.name}` has none"
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
            hint = f"it has {known}" if known else f"ask its operator for one in the setting {target}.templates"
            message = f"this server has no prepared database `{item.template.source}` for target `{target}`"
            yield document.problem((*where, "source"), message, hint)


def notices(document: Document, policy: AdmissionPolicy) -> tuple[str, ...]:
    """What is asked for and not done by this version, one sentence each, with file and line."""
    config = document.config
    found = list(_ignored_in_environment(config, policy))
    if config.tests and resolve_target(config, policy) not in TEST_TARGETS:
        found.append((("tests",), "tests are not run on this target by this version of Eph"))
    match resolve_target(config, policy):
        case "local":
            found.extend(_ignored_on_local(config))
        case "kubernetes":
            found.extend(_ignored_on_kubernetes(config))
    return tuple(str(document.problem(path, sentence)) for path, sentence in found)


def _ignored_in_environment(config: EphYaml, policy: AdmissionPolicy) -> Iterator[tuple[YamlPath, str]]:
    if config.environment.alias_template is not None:
        yield ("environment", "alias_template"), "this version of Eph makes no second host name"
    never = config.environment.idle_timeout is None and policy.idle_timeout is None
    if config.environment.on_idle == "destroy" and never:
        yield ("environment", "on_idle"), "without idle_timeout nothing is ever idle"


def _ignored_on_kubernetes(config: EphYaml) -> Iterator[tuple[YamlPath, str]]:
    if config.build:
        yield ("build",), "the target `kubernetes` builds nothing; images come from CI"
    for index, image in enumerate(config.environment.images):
        if image.fallback == "fail" and image.fallback_tag:
            yield ("environment", "images", index, "fallback_tag"), "it is never taken, as `fallback: fail` says"


def _ignored_on_local(config: EphYaml) -> Iterator[tuple[YamlPath, str]]:
    if config.environment.resources:
        yield ("environment", "resources"), "the target `local` does not limit CPU, memory or disk"
    if config.environment.images:
        yield ("environment", "images"), "the target `local` runs no images, so none is looked for"
    if config.kubernetes:
        yield ("kubernetes",), "the target `local` applies no manifests"
    for index, service in enumerate(config.services):
        if service.image is not None and service.command is not None:
            yield ("services", index, "image"), "the target `local` runs the command and not the image"
        if service.volumes:
            yield ("services", index, "volumes"), "the target `local` has no volumes; its files go with the checkout"
        if service.resources:
            yield ("services", index, "resources"), "the target `local` does not limit CPU or memory"
