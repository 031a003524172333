"""The images of an eph.yaml for one commit: templates filled in, and errors that can be detected without a lookup."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from orchestrator.config import wording
from orchestrator.config.eph_yaml.models.document import EphYaml
from orchestrator.config.eph_yaml.models.images_section import ImageConfig
from orchestrator.config.eph_yaml.parsing import Document
from orchestrator.config.problems import Problem
from orchestrator.core.model.image_lookup import Fallback, ImageRequest
from programs import image_references
from programs.eph_yaml.templates import render
from programs.quoting import quote


def requests_of(config: EphYaml, values: Mapping[str, str], target: str) -> Iterator[ImageRequest]:
    """Images that something may run: manifests can use any image, services name theirs."""
    used = {service.image for service in config.services}
    section = config.section(target)
    for image in config.environment.images:
        if image.name in used or (section is not None and section.uses_all_images):
            yield _request(image, values)


def optional_images(config: EphYaml, disabled: Iterable[str]) -> tuple[str, ...]:
    """The names of images that nothing but services turned off by labels names. Manifests can use them all the same,
    and must then get them."""
    off = frozenset(disabled)
    used = {service.image for service in config.services if service.name not in off}
    named = dict.fromkeys(service.image for service in config.services if service.name in off)
    return tuple(name for name in named if name is not None and name not in used)


def image_problems(document: Document, values: Mapping[str, str], registries: Sequence[str]) -> Iterator[Problem]:
    """Tags that are neither that nor a digest, and registries that this server doesn't allow."""
    for index, image in enumerate(document.config.environment.images):
        path = ("environment", "images", index)
        for key in ("tag_template", "fallback_tag"):
            text = getattr(image, key)
            tag = render(text, values) if text else "x"
            if not (image_references.is_tag(tag) or image_references.is_digest(tag)):
                message = wording.admission.invalid_tag(quote(tag))
                yield document.problem((*path, key), message, wording.admission.TAG_CHARACTERS)
        if not image_references.is_allowed(registries, image_references.parse(image.repository)):
            message = wording.admission.image_not_allowed(image.repository)
            yield document.problem(
                (*path, "repository"), message, wording.admission.allowed_registries(", ".join(registries))
            )


def _request(image: ImageConfig, values: Mapping[str, str]) -> ImageRequest:
    return ImageRequest(
        name=image.name,
        repository=image.repository,
        notes=image.notes_ref if image.git_notes else "",
        tag=render(image.tag_template, values) if image.tag_template else "",
        pattern=render(image.tag_pattern, values) if image.tag_pattern else "",
        max_age=image.max_age,
        labels=tuple((key, render(text, values)) for key, text in image.required_labels.items()),
        fallback_tag=image.fallback_tag or "",
        fallback=Fallback(image.fallback),
        wait=image.wait,
    )
