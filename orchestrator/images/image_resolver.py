"""Finds the image of a commit: git note, tag template, scan, fallback; the first that has one wins.

A source that has no image, or a wrong one (too old, missing a label, for another architecture), is skipped and
reported. A source that couldn't be queried proves nothing: the lookup then stops, because a fallback must not win while
a registry is down for a minute.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial

from orchestrator.core.model.image_lookup import FALLBACK_SOURCE, ImagePin, ImageRequest, ImageResult
from orchestrator.core.util import formatting, globs, natural_sort
from orchestrator.images import wording
from orchestrator.images.errors import ImageNotFound, RegistryError, RegistryRefused, RegistryUnavailable
from orchestrator.images.port import ImageInfo, Registries
from orchestrator.images.registry_policy import RegistryPolicy
from programs import image_references
from programs.image_references import ImageReference, InvalidReference

MAX_MATCHES = 50
MAX_REJECTIONS = 3
NOTE_LINES = 100
ReadNote = Callable[[str], str]
"""The content of the commit's git note under that ref; empty if there is none. Raises ``RegistryError``."""


@dataclass(frozen=True, slots=True)
class FoundImage:
    """``explanation`` follows the name of the source."""

    image: ImageReference
    explanation: str


@dataclass(frozen=True, slots=True)
class ImageSource:
    name: str
    find: Callable[[], FoundImage]


class ImageResolver:
    """``now`` is the time of day, for an image's age."""

    def __init__(self, policy: RegistryPolicy, registry: Registries, now: Callable[[], datetime]) -> None:
        self._policy = policy
        self._registry = registry
        self._now = now

    def find(self, request: ImageRequest, read_note: ReadNote, allow_fallback: bool) -> ImageResult:
        """``allow_fallback``: whether the fallback can be used by now."""
        explanations: list[str] = []
        for place in self._sources(request, read_note, allow_fallback):
            try:
                self._policy.check_allowed(image_references.parse(request.repository))
                found = place.find()
            except ImageNotFound as error:
                explanations.append(f"{place.name} {error}")
            except (RegistryError, InvalidReference) as error:
                pause = error.retry_after if isinstance(error, RegistryUnavailable) else 0.0
                trouble = f"{place.name} {error}"
                return ImageResult(
                    request.name, tuple(explanations), None, trouble, isinstance(error, RegistryUnavailable), pause
                )
            else:
                how = "; ".join([f"{place.name}{found.explanation}", *explanations])
                return ImageResult(request.name, tuple(explanations), ImagePin(str(found.image), how))
        return ImageResult(request.name, tuple(explanations))

    def _sources(self, request: ImageRequest, read_note: ReadNote, allow_fallback: bool) -> Iterator[ImageSource]:
        if request.notes:
            yield ImageSource(wording.git_note(request.notes), partial(self._by_note, request, read_note))
        if request.tag:
            yield ImageSource(f"tag_template: {request.tag}", partial(self._by_tag, request, request.tag))
        if request.pattern:
            yield ImageSource(f"tag_pattern: {request.pattern}", partial(self._by_scan, request))
        if request.fallback_tag and allow_fallback:
            yield ImageSource(
                f"{FALLBACK_SOURCE}: {request.fallback_tag}", partial(self._by_tag, request, request.fallback_tag)
            )

    def _by_note(self, request: ImageRequest, read_note: ReadNote) -> FoundImage:
        text = read_note(request.notes)
        if not text.strip():
            raise ImageNotFound(wording.NOT_ON_COMMIT)
        named = reference_in_note(text, request)
        if not named:
            raise ImageNotFound(wording.note_without_image(request.repository))
        image = _reference(request, named)
        if not image.digest:
            image = image.with_digest(self._registry.digest(image))
        self._accept(request, image)
        return FoundImage(image, f": {named}")

    def _by_tag(self, request: ImageRequest, tag: str) -> FoundImage:
        image = self._resolve_tag(request, tag)
        self._accept(request, image)
        return FoundImage(image, "")

    def _by_scan(self, request: ImageRequest) -> FoundImage:
        """The newest image by build date; among images built at the same time, the one with the highest version."""
        listed = self._registry.tags(_reference(request, "latest"))
        matching = sorted(
            (tag for tag in listed if globs.matches(request.pattern, tag)), key=natural_sort.sort_key, reverse=True
        )
        if not matching:
            raise ImageNotFound(wording.NO_TAG_MATCHES)
        good: list[tuple[datetime, int, ImageReference]] = []
        wrong: list[str] = []
        for place, tag in enumerate(matching[:MAX_MATCHES]):
            try:
                image = self._resolve_tag(request, tag)
                built = self._accept(request, image).created
            except ImageNotFound as error:
                wrong.append(f"{tag} {error}")
            else:
                good.append((built or datetime.min.replace(tzinfo=UTC), -place, image))
        most = wording.first_checked(MAX_MATCHES) if len(matching) > MAX_MATCHES else ""
        if not good:
            rejections = "; ".join(wrong[:MAX_REJECTIONS])
            raise ImageNotFound(wording.none_usable(formatting.count(len(matching), "tag"), most, rejections))
        built_at, _, image = max(good)
        newest = wording.built(formatting.timestamp(built_at.replace(microsecond=0))) if built_at.year > 1 else ""
        return FoundImage(
            image, wording.newest_match(image.tag, newest, formatting.count(len(matching), "match", "matches"), most)
        )

    def _resolve_tag(self, request: ImageRequest, tag: str) -> ImageReference:
        """A digest can take the place of a tag."""
        image = _reference(request, tag)
        return image if image.digest else image.with_digest(self._registry.digest(image))

    def _accept(self, request: ImageRequest, image: ImageReference) -> ImageInfo:
        """Raises if the image doesn't meet the requirements. That isn't final: CI may still push the right one."""
        found = self._registry.image(image)
        missing = [name for name in self._policy.architectures if name not in found.architectures]
        if missing and not found.unread_reason:
            has = formatting.join_words(found.architectures) or wording.NO_LINUX
            raise ImageNotFound(wording.architectures_missing(formatting.join_words(missing), has))
        if found.unread_reason and (request.labels or request.max_age):
            raise RegistryRefused(found.unread_reason)
        for key, value in request.labels:
            given = found.labels.get(key)
            if given != value:
                what = wording.label_missing(key) if given is None else wording.label_differs(key, given[:100])
                raise ImageNotFound(wording.label_required(what, value))
        if request.max_age is not None:
            _check_age(found, request.max_age, self._now())
        return found


def reference_in_note(text: str, request: ImageRequest) -> str:
    """The tag, digest or whole reference in a note: ``NAME: TAG`` on its own line, or nothing but that."""
    lines = [line.strip() for line in text.splitlines()[:NOTE_LINES] if line.strip() and line.strip()[:1] != "#"]
    for line in lines:
        key, _, value = line.partition(" ")
        if key.rstrip(":=") == request.name and value.strip():
            return value.strip()
    for line in lines:
        if line.startswith((f"{request.repository}:", f"{request.repository}@")):
            return line
    alone = lines[0] if len(lines) == 1 else ""
    return alone if image_references.is_digest(alone) or image_references.is_tag(alone) else ""


def _reference(request: ImageRequest, named: str) -> ImageReference:
    home = image_references.parse(request.repository)
    if image_references.is_digest(named):
        return home.with_digest(named)
    if image_references.is_tag(named):
        return ImageReference(home.host, home.repository, named)
    try:
        found = image_references.parse(named)
    except InvalidReference as error:
        raise ImageNotFound(wording.invalid_reference(error)) from error
    if found.name != home.name:
        raise ImageNotFound(wording.other_repository(found.name, home.name))
    return found


def _check_age(found: ImageInfo, max_age: timedelta, now: datetime) -> None:
    if found.created is None:
        raise ImageNotFound(wording.NO_BUILD_DATE)
    if now - found.created > max_age:
        built = formatting.timestamp(found.created.replace(microsecond=0))
        raise ImageNotFound(wording.too_old(built, formatting.duration(max_age)))
