"""The images of eph.yaml, matched with those that the manifests name.

An image that CI built for the commit but no workload runs is an error: the preview would show a released version and
look healthy.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from programs.image_references import parse
from programs.targets.kubernetes.errors import KubernetesError
from programs.targets.kubernetes.manifests import wording

MAX_SHOWN = 5


@dataclass(frozen=True, slots=True)
class ListedImages:
    """``pinned``: references with a digest, by name. ``replaced``: for some of them, the repository that the manifests
    use in its place."""

    pinned: Mapping[str, str]
    replaced: Mapping[str, str] = field(default_factory=dict)

    def find(self, text: str) -> str:
        """The pinned reference to run for an image of a manifest; empty if it isn't listed. A manifest can use the
        image's name, its repository, or the repository that it replaces."""
        if text in self.pinned:
            return self.pinned[text]
        wanted = parse(text).canonical_name
        for name, original in self.replaced.items():
            if name in self.pinned and parse(original).canonical_name == wanted:
                return self.pinned[name]
        found = (item for item in self.pinned.values() if parse(item).canonical_name == wanted)
        return next(found, "")

    def check_all_run(self, running: Iterable[str]) -> None:
        """``running``: the images of all workloads, after replacement. Raises with every listed image that isn't among
        them."""
        ran = sorted(set(running))
        idle = [name for name, reference in self.pinned.items() if reference not in ran]
        if not idle:
            return
        listed = ", ".join(f"{name} ({parse(self.pinned[name]).name})" for name in idle)
        others = [image for image in ran if image not in self.pinned.values()]
        shown = wording.images.others_run(others[:MAX_SHOWN], len(others) - MAX_SHOWN) if others else ""
        raise KubernetesError(wording.images.unused(listed, shown))
