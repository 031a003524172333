"""Checks a spec before anything is created: what AWS would reject later, and the server's limits."""

from __future__ import annotations

from programs import image_references, start_order
from programs.image_references import InvalidReference
from programs.kit import identifiers
from programs.kit.errors import TargetError
from programs.spec import DatabaseSpec, EnvironmentSpec, ServiceSpec
from programs.targets.aws import data_sources, sizing, wording
from programs.targets.aws.errors import AwsError
from programs.targets.aws.settings import AwsSettings, split_list

STRATEGIES = ("empty", "seed", data_sources.SNAPSHOT, data_sources.READ_REPLICA)


def check(spec: EnvironmentSpec, settings: AwsSettings) -> None:
    try:
        identifiers.check_commit(spec.source.commit)
        identifiers.check_label(spec.name, "environment")
        for name in [*spec.env, *(name for item in spec.services for name in item.env)]:
            identifiers.check_variable(name, "variable")
    except TargetError as error:
        raise AwsError(error.sentence) from error
    if not spec.services:
        raise AwsError(wording.NO_SERVICES)
    if spec.sign_in:
        raise AwsError(wording.SIGN_IN_UNSUPPORTED)
    _check_services(spec)
    for database in spec.databases:
        _check_database(database, settings)
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
        raise AwsError(wording.dependency_cycle(", ".join(cycle)))


def _check_service(item: ServiceSpec, spec: EnvironmentSpec, names: list[str]) -> None:
    if item.image not in spec.images:
        known = ", ".join(sorted(spec.images)) or "none"
        raise AwsError(wording.unknown_image(item.name, item.image, known))
    unknown = [name for name in item.after if name not in names]
    if unknown:
        raise AwsError(wording.starts_after_unknown(item.name, unknown[0]))
    if item.schedule:
        raise AwsError(wording.schedule_unsupported(item.name))
    if item.volumes:
        raise AwsError(wording.volumes_unsupported(item.name))


def _check_database(item: DatabaseSpec, settings: AwsSettings) -> None:
    if item.strategy not in STRATEGIES:
        raise AwsError(wording.unknown_strategy(item.name, item.strategy, ", ".join(STRATEGIES)))
    if item.scripts:
        raise AwsError(wording.scripts_unsupported(item.name))
    if item.strategy == data_sources.SNAPSHOT:
        data_sources.snapshot_source(settings, item)
    if item.strategy == data_sources.READ_REPLICA:
        data_sources.replica_url(settings, item)
        if item.migrate:
            raise AwsError(wording.replica_is_read_only(item.name))


def _check_unique(kind: str, values: list[str]) -> None:
    twice = [text for text in values if values.count(text) > 1]
    if twice:
        raise AwsError(wording.defined_twice(kind, twice[0]))


def _check_image(name: str, text: str, settings: AwsSettings) -> None:
    try:
        reference = image_references.parse(text)
    except InvalidReference as error:
        raise AwsError(str(error)) from error
    if not reference.digest:
        raise AwsError(wording.image_not_pinned(name, text))
    if not image_references.is_allowed(split_list(settings.registries), reference):
        raise AwsError(wording.image_not_allowed(text, settings.registries))
