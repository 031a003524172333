"""Checks a spec before anything is created: what AWS would reject later, and the server's limits."""

from __future__ import annotations

from programs import image_references, start_order
from programs.image_references import InvalidReference
from programs.kit import identifiers
from programs.kit.errors import TargetError
from programs.spec import DatabaseSpec, EnvironmentSpec, ServiceSpec
from programs.targets.aws import sizing
from programs.targets.aws.errors import AwsError
from programs.targets.aws.settings import AwsSettings, split_list

STRATEGIES = ("empty", "seed")


def check(spec: EnvironmentSpec, settings: AwsSettings) -> None:
    try:
        identifiers.check_commit(spec.source.commit)
        identifiers.check_label(spec.name, "environment")
        for name in [*spec.env, *(name for item in spec.services for name in item.env)]:
            identifiers.check_variable(name, "variable")
    except TargetError as error:
        raise AwsError(error.sentence) from error
    if not spec.services:
        raise AwsError("The environment has no services. Add at least one under 'services'.")
    if spec.sign_in:
        raise AwsError("previews on this target can't require sign-in; set environment.protection.sign_in to none")
    _check_services(spec)
    for database in spec.databases:
        _check_database(database)
    _check_unique("database", [item.name for item in spec.databases])
    _check_unique("variable", [item.variable for item in spec.databases])
    for name, text in spec.images.items():
        _check_image(name, text, settings)
    size = sizing.environment_size(spec.options.get("size", "ephemeral"), settings.largest_size)
    sizing.check_limits(spec, size, settings.limits)


def _check_services(spec: EnvironmentSpec) -> None:
    names = [item.name for item in spec.services]
    _check_unique("service", names)
    for item in spec.services:
        _check_service(item, spec, names)
    cycle = start_order.find_cycle({item.name: item.after for item in spec.services})
    if cycle:
        raise AwsError(f"services {', '.join(cycle)} depend on each other in a cycle")


def _check_service(item: ServiceSpec, spec: EnvironmentSpec, names: list[str]) -> None:
    if item.image not in spec.images:
        known = ", ".join(sorted(spec.images)) or "none"
        raise AwsError(f"service {item.name!r}: unknown image {item.image!r}; known: {known}")
    unknown = [name for name in item.after if name not in names]
    if unknown:
        raise AwsError(f"service {item.name!r} starts after {unknown[0]!r}, which isn't a service")
    if item.schedule or item.volumes:
        what = "a schedule" if item.schedule else "volumes"
        raise AwsError(f"service {item.name!r} has {what}, which this target doesn't support; remove it")


def _check_database(item: DatabaseSpec) -> None:
    if item.strategy not in STRATEGIES:
        known = ", ".join(STRATEGIES)
        raise AwsError(f"database {item.name!r}: unknown strategy {item.strategy!r}; use one of: {known}")
    if item.scripts:
        raise AwsError(f"database {item.name!r}: this target has no checkout to read scripts from; use a seed command")


def _check_unique(what: str, values: list[str]) -> None:
    twice = [text for text in values if values.count(text) > 1]
    if twice:
        raise AwsError(f"{what} {twice[0]!r} is defined twice; it must be unique")


def _check_image(name: str, text: str, settings: AwsSettings) -> None:
    try:
        reference = image_references.parse(text)
    except InvalidReference as error:
        raise AwsError(str(error)) from error
    if not reference.digest:
        raise AwsError(f"image {name} is {text}, which isn't pinned to a digest")
    if not image_references.is_allowed(split_list(settings.registries), reference):
        raise AwsError(f"image {text}: this server only allows images from {settings.registries}")
