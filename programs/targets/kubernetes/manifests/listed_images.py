"""The images of eph.yaml, matched with those that the manifests name.

An image that CI built for the commit but nothing runs is an error: the preview would show a released version and look
healthy.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from programs.image_references import ImageReference, InvalidReference, parse
from programs.targets.kubernetes.errors import KubernetesError
from programs.targets.kubernetes.manifests import wording

MAX_SHOWN = 5


class SeveralImagesMatch(Exception):
    """A manifest names a repository that several listed images have."""

    def __init__(self, names: Iterable[str]) -> None:
        self.names = tuple(names)
        super().__init__(*self.names)


@dataclass(frozen=True, slots=True)
class ListedImages:
    """``pinned``: references with a digest, by name. ``replaced``: for some of them, the repository that the manifests
    use in its place, or one tag of it."""

    pinned: Mapping[str, str]
    replaced: Mapping[str, str] = field(default_factory=dict)

    def find(self, text: str) -> str:
        """The pinned reference to run for an image of a manifest; empty if it isn't listed. A manifest can use the
        image's name, its repository, or what it replaces. Raises ``SeveralImagesMatch``."""
        names = self._matching(text)
        found = {self.pinned[name] for name in names}
        if len(found) > 1:
            raise SeveralImagesMatch(names)
        return next(iter(found), "")

    def _matching(self, text: str) -> list[str]:
        if text in self.pinned:
            return [text]
        wanted = parse(text)
        originals = {name: original for name, original in self.replaced.items() if name in self.pinned}
        of_tag = [name for name, original in originals.items() if _has_tag(original) and _is_tag_of(original, wanted)]
        of_any = [name for name, original in originals.items() if not _has_tag(original)]
        found = of_tag or [name for name in of_any if _is_in_repository(originals[name], wanted)]
        return found or [name for name, reference in self.pinned.items() if _is_in_repository(reference, wanted)]

    def check_all_run(self, texts: Iterable[str], used: Iterable[str] = ()) -> None:
        """``texts``: the images of all workloads, as the manifests name them. ``used``: the names of those that may run
        without them. Raises with every other listed image."""
        ran, others = set(used), []
        for text in sorted(set(texts)):
            names = list(self._names(text))
            ran |= set(names)
            others += [] if names else [text]
        running = {self.pinned[name] for name in ran if name in self.pinned}
        idle = [name for name, reference in self.pinned.items() if reference not in running]
        if not idle:
            return
        listed = ", ".join(f"{name} ({parse(self.pinned[name]).name})" for name in idle)
        shown = wording.images.others_run(others[:MAX_SHOWN], len(others) - MAX_SHOWN) if others else ""
        raise KubernetesError(wording.images.unused(listed, shown))

    def _names(self, text: str) -> Iterator[str]:
        """An image that isn't valid is reported where it is named."""
        try:
            yield from self._matching(text)
        except InvalidReference:
            return


def _is_in_repository(text: str, other: ImageReference) -> bool:
    return parse(text).canonical_name == other.canonical_name


def _is_tag_of(text: str, other: ImageReference) -> bool:
    return _is_in_repository(text, other) and parse(text).tag == other.tag


def _has_tag(text: str) -> bool:
    return ":" in text.rpartition("/")[2]
