"""What creates an environment. Only Git does: labels, branches, tags, comments (L3)."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from orchestrator.config import wording
from programs.eph_yaml.field_types import Glob, Section, Text
from programs.quoting import quote
from programs.settings import InvalidValue

MAX_WILDCARDS = 8
"""Per glob: it is untrusted input, and matched against every file of a pull request."""


def _few_wildcards(value: str) -> str:
    if value.count("*") + value.count("?") > MAX_WILDCARDS:
        raise InvalidValue(
            wording.sections.too_many_wildcards(quote(value)), wording.sections.wildcard_limit(MAX_WILDCARDS)
        )
    return value


def _one_line(value: str) -> str:
    if not value.isprintable() or value != value.strip():
        raise InvalidValue(wording.sections.not_a_comment_line(quote(value)), wording.sections.USE_SINGLE_LINE)
    return value


Phrase = Annotated[Text, AfterValidator(_one_line), Field(max_length=100)]
Label = Annotated[Text, Field(max_length=50)]
Pattern = Annotated[Glob, AfterValidator(_few_wildcards)]
Patterns = Annotated[tuple[Pattern, ...], Field(max_length=20)]
Checks = Annotated[tuple[Annotated[Text, AfterValidator(_few_wildcards)], ...], Field(max_length=20)]


class LabelTrigger(Section):
    """An open pull request that carries one of the labels."""

    type: Literal["pr_label"] = Field(description="A label on a pull request.")
    labels: tuple[Label, ...] = Field(
        min_length=1, description="Trigger labels: a pull request with any of these gets an environment."
    )
    wait_for_checks: Checks = Field(
        default=(),
        description=(
            "Checks that must succeed on the commit first. A glob with * requires all matching checks, and "
            "at least one."
        ),
    )
    paths: Patterns = Field(
        default=(),
        description="Only if the pull request changes a file that matches one of these globs: * stops at a slash, "
        "** does not.",
    )
    drafts: bool = Field(default=True, description="Whether drafts get an environment too.")


class BranchTrigger(Section):
    """A branch whose name matches."""

    type: Literal["branch"] = Field(description="A branch without a pull request.")
    branches: Patterns = Field(min_length=1, description="Globs for branch names, such as release/*.")
    wait_for_checks: Checks = Field(
        default=(),
        description=(
            "Checks that must succeed on the commit first. A glob with * requires all matching checks, and "
            "at least one."
        ),
    )
    paths: Patterns = Field(default=(), description="Reserved: not supported by this version; every push counts.")


class TagTrigger(Section):
    """A tag whose name matches."""

    type: Literal["tag"] = Field(description="A tag.")
    tags: Patterns = Field(min_length=1, description="Globs for tag names, such as v*.")
    wait_for_checks: Checks = Field(
        default=(),
        description=(
            "Checks that must succeed on the commit first. A glob with * requires all matching checks, and "
            "at least one."
        ),
    )


class CommentTrigger(Section):
    """A comment on a pull request by someone with write access. The default branch's phrases count."""

    type: Literal["comment"] = Field(description="A comment on a pull request.")
    phrases: tuple[Phrase, ...] = Field(
        default=("/eph up",),
        min_length=1,
        max_length=20,
        description="A comment line that equals one of these works like `/eph up`. It adds a label: "
        "that of a pr_label trigger, or else the server's trigger label.",
    )


Trigger = Annotated[LabelTrigger | BranchTrigger | TagTrigger | CommentTrigger, Field(discriminator="type")]
