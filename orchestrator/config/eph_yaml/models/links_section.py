"""Links of a repository that are shown with each of its environments (P14)."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, Field, WithJsonSchema

from orchestrator.config import wording
from programs import variables
from programs.eph_yaml import templates
from programs.eph_yaml.field_types import Section, Text
from programs.quoting import quote
from programs.settings import InvalidValue

MAX_LABEL_LENGTH = 60
MAX_URL_LENGTH = 500
_PLACEHOLDER = r"\{[a-z_]+(:[a-z0-9:-]*)?\}"
_START = rf"(/(?!/)|https?://([A-Za-z0-9.:-]|{_PLACEHOLDER})+(/|$)|\{{url(:[a-z0-9-]+)?\}}(/|$))"
_LINK = re.compile(rf"(?={_START})([A-Za-z0-9._~!$&'*+,;=:@%/?#-]|{_PLACEHOLDER})*")


def _label(value: str) -> str:
    if len(value) > MAX_LABEL_LENGTH or not value.isprintable():
        raise InvalidValue(wording.sections.invalid_link_name(quote(value)), wording.sections.LINK_NAME)
    return value


def _url(value: str) -> str:
    if len(value) > MAX_URL_LENGTH or not _LINK.fullmatch(value):
        raise InvalidValue(wording.sections.invalid_link(quote(value)), wording.sections.LINK_EXAMPLE)
    for name in variables.placeholders(value):
        if not (name in ("url", "host") or name.startswith(("url:", "host:")) or templates.is_placeholder(name)):
            raise InvalidValue(
                wording.sections.unknown_link_placeholder(quote(f"{{{name}}}")), wording.sections.LINK_PLACEHOLDERS
            )
    return value


LinkLabel = Annotated[Text, AfterValidator(_label)]
LinkUrl = Annotated[
    str,
    AfterValidator(_url),
    WithJsonSchema({"type": "string", "maxLength": MAX_URL_LENGTH, "examples": ["/admin", "{url:api}/docs"]}),
]


class LinkConfig(Section):
    """A link that is shown with the environment."""

    name: LinkLabel = Field(description="The text of the link.")
    url: LinkUrl = Field(
        description="A path in the environment, such as /admin, or a URL. It can contain placeholders, such as "
        "{url:api}/docs."
    )
