"""What is known about the images of a commit."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from orchestrator.core.util import formatting


def looking_for_images(sha: str, repositories: Iterable[str]) -> str:
    return f"looking for the images of commit {formatting.commit(sha)}: {formatting.join_words(repositories)}"


def fallback_replaced(images: Iterable[str], sha: str) -> str:
    return f"found the image {formatting.join_words(images)} for commit {formatting.commit(sha)}, which runs a fallback"


def registry_unavailable(images: Iterable[str], sha: str, detail: str) -> str:
    names = formatting.join_words(images)
    return f"waiting for image {names} for commit {formatting.commit(sha)}; the registry is unavailable. {detail}"


def waiting_for_images(images: Iterable[str], sha: str, since: datetime, until: datetime, detail: str) -> str:
    return (
        f"waiting for image {formatting.join_words(images)} for commit {formatting.commit(sha)} "
        f"since {formatting.timestamp(since)}, until {formatting.timestamp(until)} at the latest. {detail}"
    )


def image_not_found(image: str, sha: str, waited: timedelta | None, detail: str) -> str:
    within = f" within {formatting.duration(waited)}" if waited is not None else ""
    return (
        f"image {image} for commit {formatting.commit(sha)} not found{within}. {detail}. "
        "After pushing the image, retry with `/eph retry`"
    )


def image_problems(repository: str, messages: Iterable[str]) -> str:
    return f"{repository}: {'; '.join(messages) or 'no details'}"
