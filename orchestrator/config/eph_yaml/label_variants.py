"""Applies what a pull request's labels change: services turned off, and sizes (Y5).

The result is a file like any other. So what is off or smaller is part of what is built: adding or removing a label is
an update of the environment.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from orchestrator.config import wording
from orchestrator.config.eph_yaml import suggestions
from orchestrator.config.eph_yaml.models.document import EphYaml
from orchestrator.config.eph_yaml.models.services_section import ServiceConfig
from programs import variables
from programs.settings import InvalidValue

YamlPath = tuple[str | int, ...]
Conflict = tuple[YamlPath, InvalidValue]


@dataclass(frozen=True, slots=True)
class LabelVariant:
    """``disabled``: the services that are off, in the file's order. ``size``: empty for the file's own."""

    disabled: tuple[str, ...] = ()
    size: str = ""
    conflicts: tuple[Conflict, ...] = ()


def select(config: EphYaml, labels: Iterable[str]) -> LabelVariant:
    """What these labels change together."""
    chosen = [label for label in config.labels if label in frozenset(labels)]
    off = {name for label in chosen for name in config.labels[label].disable}
    sizes = {label: size for label in chosen if (size := config.labels[label].size) is not None}
    conflicts: list[Conflict] = []
    if len(set(sizes.values())) > 1:
        *_, last = sizes
        message = wording.consistency.sizes_differ(", ".join(sizes))
        conflicts.append((("labels", last, "size"), InvalidValue(message, wording.consistency.REMOVE_LABEL)))
    if chosen and not conflicts:
        conflicts += _needed_services(config, off, ("labels", chosen[-1], "disable"))
    size = next(iter(sizes.values()), "")
    return LabelVariant(tuple(item.name for item in config.services if item.name in off), size, tuple(conflicts))


def with_size(config: EphYaml, size: str) -> EphYaml:
    """Services keep their places, so that problems are reported on the right lines."""
    chosen = config.sizes.get(size)
    if chosen is None:
        return config
    services = tuple(
        item.model_copy(update={"resources": chosen.services[item.name]}) if item.name in chosen.services else item
        for item in config.services
    )
    resources = chosen.resources or config.environment.resources
    environment = config.environment.model_copy(update={"resources": resources})
    return config.model_copy(update={"services": services, "environment": environment})


def without_services(config: EphYaml, disabled: Iterable[str]) -> EphYaml:
    off = frozenset(disabled)
    return config.model_copy(update={"services": tuple(item for item in config.services if item.name not in off)})


def variant_inconsistencies(config: EphYaml) -> Iterator[Conflict]:
    """What is wrong with the sections ``labels`` and ``sizes``, whatever labels a pull request has."""
    names = [service.name for service in config.services]
    for size, found in config.sizes.items():
        for name in found.services:
            if name not in names:
                yield ("sizes", size, "services", name), _unknown(name, names)
    for label, variant in config.labels.items():
        unknown = [(place, name) for place, name in enumerate(variant.disable) if name not in names]
        for place, name in unknown:
            yield ("labels", label, "disable", place), _unknown(name, names)
        if variant.size is not None and variant.size not in config.sizes:
            yield ("labels", label, "size"), _unknown_size(variant.size, list(config.sizes))
        if not unknown:
            yield from _needed_services(config, set(variant.disable), ("labels", label, "disable"))


def _needed_services(config: EphYaml, off: set[str], path: YamlPath) -> Iterator[Conflict]:
    rest = [service for service in config.services if service.name not in off]
    if off and not any(service.public for service in rest):
        yield path, InvalidValue(wording.consistency.NOTHING_PUBLIC_LEFT, wording.consistency.KEEP_ONE_PUBLIC)
    for service in rest:
        for name in sorted(off):
            if name in service.after:
                message = wording.consistency.starts_after(service.name, name)
                yield path, InvalidValue(message, wording.consistency.disable_too(service.name))
            elif _mentions(config, service, name):
                message = wording.consistency.uses_url_of(service.name, name)
                yield path, InvalidValue(message, wording.consistency.disable_too(service.name))


def _mentions(config: EphYaml, service: ServiceConfig, name: str) -> bool:
    """Whether its variables contain the address of the other service."""
    values = (*config.environment.env.values(), *service.env.values())
    found = {placeholder for text in values for placeholder in variables.placeholders(text)}
    return bool(found & {f"url:{name}", f"host:{name}"})


def _unknown(name: str, names: list[str]) -> InvalidValue:
    if not names:
        return InvalidValue(wording.consistency.unknown_service(name), wording.consistency.ONLY_SERVICES_OF_FILE)
    return suggestions.unknown_service(name, names)


def _unknown_size(size: str, sizes: list[str]) -> InvalidValue:
    listed = wording.consistency.use_one_of(", ".join(sizes)) if sizes else wording.consistency.ADD_SIZES
    return InvalidValue(wording.consistency.unknown_size(size), suggestions.hint(size, sizes, listed))
