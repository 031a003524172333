"""Where is the image of this commit? A git note, the tag by its template, a scan, the fallback: the first that has one.

A place that answers that it has none, or a wrong one (too old, without a label, for another machine), is passed over,
and that is told. A place that could not be asked says nothing: then nothing after it is asked either, for a fallback
must not win because a registry was down for a minute.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial

from orchestrator.core import globs, newness, reasons
from orchestrator.core.images import Answer, ImageWish, Pin
from orchestrator.images.access import Access
from orchestrator.images.errors import Absent, Refused, RegistryError, Unavailable
from orchestrator.images.port import Image, Registries
from programs import images
from programs.images import NoReference, Reference

MOST_MATCHES = 50
MOST_TOLD = 3
NOTE_LINES = 100
Note = Callable[[str], str]
"""What the git note of that ref says of the commit; empty without one. Raises ``RegistryError``."""


@dataclass(frozen=True, slots=True)
class Found:
    """``how`` goes on after the place's name."""

    image: Reference
    how: str


@dataclass(frozen=True, slots=True)
class Place:
    name: str
    look: Callable[[], Found]


class Finder:
    """``now``: the time of day, to tell an image's age."""

    def __init__(self, reach: Access, registry: Registries, now: Callable[[], datetime]) -> None:
        self._access = reach
        self._registry = registry
        self._now = now

    def find(self, wish: ImageWish, note: Note, fall_back: bool) -> Answer:
        """``fall_back``: whether its fallback may be taken by now."""
        told: list[str] = []
        for place in self._places(wish, note, fall_back):
            try:
                self._access.check(images.parse(wish.repository))
                found = place.look()
            except Absent as error:
                told.append(f"{place.name} {error}")
            except (RegistryError, NoReference) as error:
                pause = error.pause if isinstance(error, Unavailable) else 0.0
                trouble = f"{place.name} {error}"
                return Answer(wish.name, tuple(told), None, trouble, isinstance(error, Unavailable), pause)
            else:
                how = "; ".join([f"{place.name}{found.how}", *told])
                return Answer(wish.name, tuple(told), Pin(str(found.image), how))
        return Answer(wish.name, tuple(told))

    def _places(self, wish: ImageWish, note: Note, fall_back: bool) -> Iterator[Place]:
        if wish.notes:
            yield Place(f"git note {wish.notes}", partial(self._by_note, wish, note))
        if wish.tag:
            yield Place(f"tag_template: {wish.tag}", partial(self._by_tag, wish, wish.tag))
        if wish.pattern:
            yield Place(f"tag_pattern: {wish.pattern}", partial(self._by_scan, wish))
        if wish.fallback_tag and fall_back:
            yield Place(f"fallback_tag: {wish.fallback_tag}", partial(self._by_tag, wish, wish.fallback_tag))

    def _by_note(self, wish: ImageWish, note: Note) -> Found:
        text = note(wish.notes)
        if not text.strip():
            raise Absent("is not on the commit")
        named = named_by(text, wish)
        if not named:
            raise Absent(f"on the commit names no image of {wish.repository}")
        image = _reference(wish, named)
        if not image.digest:
            image = image.at(self._registry.digest(image))
        self._accept(wish, image)
        return Found(image, f": {named}")

    def _by_tag(self, wish: ImageWish, tag: str) -> Found:
        image = self._tagged(wish, tag)
        self._accept(wish, image)
        return Found(image, "")

    def _by_scan(self, wish: ImageWish) -> Found:
        """The newest by when it was built; of those that were built at one time, the one whose name counts most."""
        listed = self._registry.tags(_reference(wish, "latest"))
        matching = sorted((tag for tag in listed if globs.matches(wish.pattern, tag)), key=newness.of, reverse=True)
        if not matching:
            raise Absent("matches no tag in its registry")
        good: list[tuple[datetime, int, Reference]] = []
        wrong: list[str] = []
        for place, tag in enumerate(matching[:MOST_MATCHES]):
            try:
                image = self._tagged(wish, tag)
                built = self._accept(wish, image).created
            except Absent as error:
                wrong.append(f"{tag} {error}")
            else:
                good.append((built or datetime.min.replace(tzinfo=UTC), -place, image))
        most = f", of which {MOST_MATCHES} were looked at" if len(matching) > MOST_MATCHES else ""
        if not good:
            said = "; ".join(wrong[:MOST_TOLD])
            raise Absent(f"matches {reasons.count(len(matching), 'tag')}{most}, none of them right: {said}")
        built_at, _, image = max(good)
        newest = f", built {reasons.moment(built_at.replace(microsecond=0))}" if built_at.year > 1 else ""
        return Found(
            image, f": {image.tag}{newest}, the newest of {reasons.count(len(matching), 'match', 'matches')}{most}"
        )

    def _tagged(self, wish: ImageWish, tag: str) -> Reference:
        image = _reference(wish, tag)
        return image.at(self._registry.digest(image))

    def _accept(self, wish: ImageWish, image: Reference) -> Image:
        """What says that this is a wrong one is no trouble: CI may push the right one."""
        found = self._registry.image(image)
        missing = [name for name in self._access.architectures if name not in found.architectures]
        if missing and not found.unread:
            has = reasons.listing(found.architectures) or "no Linux at all"
            raise Absent(f"is not for {reasons.listing(missing)}: it is for {has}")
        if found.unread and (wish.labels or wish.max_age):
            raise Refused(found.unread)
        for key, value in wish.labels:
            given = found.labels.get(key)
            if given != value:
                said = "no such label" if given is None else repr(given[:100])
                raise Absent(f"does not have the label {key}={value!r}: it has {said}")
        if wish.max_age is not None:
            _young_enough(found, wish.max_age, self._now())
        return found


def named_by(text: str, wish: ImageWish) -> str:
    """The tag, digest or whole reference that a note names: ``NAME: TAG`` on a line of its own, or nothing but that."""
    lines = [line.strip() for line in text.splitlines()[:NOTE_LINES] if line.strip() and line.strip()[:1] != "#"]
    for line in lines:
        key, _, value = line.partition(" ")
        if key.rstrip(":=") == wish.name and value.strip():
            return value.strip()
    for line in lines:
        if line.startswith((f"{wish.repository}:", f"{wish.repository}@")):
            return line
    alone = lines[0] if len(lines) == 1 else ""
    return alone if images.is_digest(alone) or images.is_tag(alone) else ""


def _reference(wish: ImageWish, named: str) -> Reference:
    home = images.parse(wish.repository)
    if images.is_digest(named):
        return home.at(named)
    if images.is_tag(named):
        return Reference(home.host, home.repository, named)
    try:
        found = images.parse(named)
    except NoReference as error:
        raise Absent(f"names what is none: {error}") from error
    if found.name != home.name:
        raise Absent(f"names {found.name}, which is another repository than {home.name}")
    return found


def _young_enough(found: Image, most: timedelta, now: datetime) -> None:
    if found.created is None:
        raise Absent("does not say when it was built, and max_age asks for it")
    if now - found.created > most:
        built = reasons.moment(found.created.replace(microsecond=0))
        raise Absent(f"was built {built}, longer ago than {reasons.duration(most)} (max_age)")
