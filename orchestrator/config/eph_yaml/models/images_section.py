"""Where to find an image that CI built (I1): the first of note, tag, scan and fallback that has it."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, WithJsonSchema, model_validator

from orchestrator.config import wording
from programs import image_references
from programs.eph_yaml.durations import Duration
from programs.eph_yaml.field_types import Name, Section, Template, Text
from programs.quoting import quote
from programs.settings import InvalidValue

_REPOSITORY = r"^[a-z0-9][a-z0-9.-]*(:[0-9]{1,5})?(/[a-z0-9]+([._-]+[a-z0-9]+)*)*$"


def _repository(value: str) -> str:
    if len(value) > 255 or not re.fullmatch(_REPOSITORY, value) or ":" in value.rpartition("/")[2]:
        raise InvalidValue(
            wording.sections.not_an_image_repository(quote(value)),
            wording.sections.IMAGE_REPOSITORY_EXAMPLE,
        )
    return value


ImageRepository = Annotated[
    str, AfterValidator(_repository), WithJsonSchema({"type": "string", "pattern": _REPOSITORY, "maxLength": 255})
]


def _replaced(value: str) -> str:
    name, _, tag = value.rpartition(":")
    _repository(name if name and image_references.is_tag(tag) else value)
    return value


_REPLACED = f"{_REPOSITORY.removesuffix('$')}(:[A-Za-z0-9_][A-Za-z0-9._-]{{0,127}})?$"
ReplacedImage = Annotated[
    str, AfterValidator(_replaced), WithJsonSchema({"type": "string", "pattern": _REPLACED, "maxLength": 384})
]


_NOTES = r"^refs/notes/[A-Za-z0-9][A-Za-z0-9_-]*(/[A-Za-z0-9][A-Za-z0-9_-]*)*$"


def _notes(value: str) -> str:
    if len(value) > 100 or not re.fullmatch(_NOTES, value):
        raise InvalidValue(wording.sections.not_a_notes_ref(quote(value)), wording.sections.NOTES_REF_EXAMPLE)
    return value


NotesRef = Annotated[
    str, AfterValidator(_notes), WithJsonSchema({"type": "string", "pattern": _NOTES, "maxLength": 100})
]


class ImageConfig(Section):
    """One image. An image never triggers anything; it is looked up when a commit needs it."""

    name: Name = Field(description="The name by which services and manifests refer to it.")
    repository: ImageRepository = Field(description="The image's repository in its registry, without a tag.")
    replaces: ReplacedImage | None = Field(
        default=None,
        description="The repository that the manifests use instead, with or without a tag: this image runs wherever "
        "they name that one.",
    )
    git_notes: bool = Field(default=False, description="Look for the digest in a git note on the commit first.")
    notes_ref: NotesRef = Field(default="refs/notes/eph", description="The ref of these git notes.")
    tag_template: Template | None = Field(
        default=None, description="The tag that CI gives to the commit's image, or a digest."
    )
    tag_pattern: Template | None = Field(
        default=None, description="A glob for the registry's tags; the newest match is used."
    )
    max_age: Duration | None = Field(default=None, description="Older images are not used.")
    required_labels: dict[str, Template] = Field(
        default={}, description="Labels that the image must have; values can contain placeholders such as {commit_sha}."
    )
    fallback_tag: Text | None = Field(default=None, description="The tag to use if no other image is found.")
    fallback: Literal["use", "wait", "fail"] = Field(
        default="use",
        description="If the commit has no image: use fallback_tag immediately, use it after wait, or fail.",
    )
    wait: Duration = Field(default=timedelta(minutes=30), description="How long to wait for CI to push the image.")

    @model_validator(mode="after")
    def _check_findable(self) -> ImageConfig:
        if not (self.git_notes or self.tag_template or self.tag_pattern or self.fallback_tag):
            raise InvalidValue(wording.sections.NO_TAG, wording.sections.ADD_TAG)
        return self
