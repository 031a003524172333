"""Which images and volumes workloads may use."""

from __future__ import annotations

from collections.abc import Iterable


def not_allowed(image: str, allowed: str) -> str:
    return f"image {image}: this server only allows images from {allowed}"


NO_STORAGE_CLASS = "it requests storage, but the setting storage_class is empty; use emptyDir"


def unused(images: str, others: str) -> str:
    return (
        f"eph.yaml, environment.images: no workload runs {images}{others}. Add `replaces` with the repository that the "
        "manifests use, or remove the image from eph.yaml"
    )


def others_run(images: Iterable[str], more: int) -> str:
    rest = f" and {more} more" if more > 0 else ""
    return f"; the workloads run {', '.join(images)}{rest}"


def several_match(image: str, names: Iterable[str]) -> str:
    return (
        f"image {image}: eph.yaml lists several images of this repository: {', '.join(names)}. Use one of these names "
        f"in its place, or add `replaces: {image}` to one of them in eph.yaml"
    )
