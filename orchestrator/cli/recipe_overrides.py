"""Changes eph.yaml for one deploy: `--env`, `--image`, `--disable` and `--size`. The change is part of the uploaded
commit."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from orchestrator.cli import wording
from orchestrator.cli.cli_errors import CliError, ExitCode

LOOKUP_KEYS = ("git_notes", "notes_ref", "tag_pattern", "max_age", "required_labels", "fallback_tag", "fallback")
"""How eph.yaml finds an image; none of it applies to one that a person chose."""


@dataclass(frozen=True, slots=True)
class RecipeOverrides:
    """``env``: variables by name. ``images``: references with a tag or a digest, by the image's name. ``disabled``:
    services that are turned off. ``size``: one of the file's sizes."""

    env: Mapping[str, str] = field(default_factory=dict)
    images: Mapping[str, str] = field(default_factory=dict)
    disabled: tuple[str, ...] = ()
    size: str = ""

    def __bool__(self) -> bool:
        return bool(self.env or self.images or self.disabled or self.size)


def parse_pairs(pairs: list[str], option: str) -> dict[str, str]:
    found = {}
    for pair in pairs:
        name, separator, value = pair.partition("=")
        if not separator or not name:
            raise CliError(wording.deploys.no_pair(option, pair), wording.deploys.use_pair(option), ExitCode.USAGE)
        found[name] = value
    return found


def apply(text: str, overrides: RecipeOverrides) -> str:
    """The content of eph.yaml with the overrides. Comments stay."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 4096
    try:
        data = yaml.load(text)
    except YAMLError as error:
        raise CliError(wording.deploys.INVALID_YAML, wording.deploys.RUN_VALIDATE) from error
    if not isinstance(data, dict):
        raise CliError(wording.deploys.NO_MAPPING, wording.deploys.RUN_VALIDATE)
    environment = data.setdefault("environment", {})
    _set_variables(data, environment, overrides.env)
    for name, reference in overrides.images.items():
        _set_image(_find_image(environment.get("images") or data.get("images") or [], name), name, reference)
    if overrides.size:
        _set_size(data, environment, overrides.size)
    for name in overrides.disabled:
        _disable(data, name)
    if overrides.size or overrides.disabled:
        # They could name services that are gone, and a label deploy has no labels.
        data.pop("labels", None)
        data.pop("sizes", None)
    written = io.StringIO()
    yaml.dump(data, written)
    return written.getvalue()


def _set_variables(data: dict[str, Any], environment: dict[str, Any], env: Mapping[str, str]) -> None:
    """Also where a service sets the same variable, because its own value would win."""
    if env:
        environment.setdefault("env", {}).update(env)
    for service in data.get("services") or ():
        own = service.get("env") or {}
        own.update({name: value for name, value in env.items() if name in own})


def _find_image(images: list[dict[str, Any]], name: str) -> dict[str, Any]:
    for image in images:
        if image.get("name") == name:
            return image
    known = ", ".join(str(image.get("name")) for image in images)
    raise CliError(wording.deploys.unknown_image(name), wording.deploys.known_images(known), ExitCode.USAGE)


def _set_size(data: dict[str, Any], environment: dict[str, Any], size: str) -> None:
    """As a label that selects the size does."""
    sizes = data.get("sizes") or {}
    if size not in sizes:
        known = ", ".join(map(str, sizes))
        raise CliError(wording.deploys.unknown_size(size), wording.deploys.known_sizes(known), ExitCode.USAGE)
    chosen = sizes[size] or {}
    if "resources" in chosen:
        environment["resources"] = chosen["resources"]
    for service in data.get("services") or ():
        resources = (chosen.get("services") or {}).get(service.get("name"))
        if resources is not None:
            service["resources"] = resources


def _disable(data: dict[str, Any], name: str) -> None:
    """The server refuses the file if the rest doesn't work without the service."""
    services = data.get("services") or []
    for position, service in enumerate(services):
        if service.get("name") == name:
            del services[position]
            return
    known = ", ".join(str(service.get("name")) for service in services)
    raise CliError(wording.deploys.unknown_service(name), wording.deploys.known_services(known), ExitCode.USAGE)


def _set_image(image: dict[str, Any], name: str, reference: str) -> None:
    repository, version = _split_reference(reference)
    if not version or "{" in version:
        raise CliError(wording.deploys.image_without_tag(name, reference), wording.deploys.NEEDS_TAG, ExitCode.USAGE)
    for key in LOOKUP_KEYS:
        image.pop(key, None)
    image.update(repository=repository, tag_template=version)


def _split_reference(reference: str) -> tuple[str, str]:
    """The repository, and the tag or digest; empty if there is neither. Next to a digest, a tag has no effect."""
    from programs import image_references

    rest, at, digest = reference.partition("@")
    repository, _, tag = rest.rpartition(":")
    if not repository or "/" in tag:  # that was a port
        repository, tag = rest, ""
    if at:
        return repository, digest if image_references.is_digest(digest) else ""
    return repository, tag
