"""Which image is used: note, tag, scan, fallback, the first that has a suitable one; and what each of the others
reported."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from orchestrator.core.model.image_lookup import ImageRequest, ImageResult
from orchestrator.images import wording
from orchestrator.images.errors import RegistryError, RegistryRefused, RegistryUnavailable
from orchestrator.images.fake import FakeRegistries
from orchestrator.images.image_resolver import MAX_MATCHES, ImageResolver, reference_in_note
from orchestrator.images.registry_policy import RegistryPolicy

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
HOME = "registry.test/acme/shop"
NO_TEAM = wording.label_missing("team")
NOTE = wording.git_note("refs/notes/eph")
WISH = ImageRequest("api", HOME)
ALL = replace(WISH, notes="refs/notes/eph", tag="pr-42-abc", pattern="pr-42-*", fallback_tag="stable")


@pytest.fixture
def registries() -> FakeRegistries:
    return FakeRegistries()


def resolve(
    registries: FakeRegistries, request: ImageRequest, note: str | RegistryError = "", fall_back: bool = True
) -> ImageResult:
    def told(_: str) -> str:
        if isinstance(note, RegistryError):
            raise note
        return note

    return ImageResolver(RegistryPolicy(), registries, lambda: NOW).find(request, told, fall_back)


def pinned(answer: ImageResult) -> str:
    return answer.pin.reference if answer.pin else f"none: {answer}"


def test_first_source_with_an_image_wins_and_the_others_are_reported(registries: FakeRegistries) -> None:
    """I1: in the order note, tag, scan, fallback."""
    nothing = resolve(registries, ALL)
    assert nothing == ImageResult(
        "api",
        (
            f"{NOTE} {wording.NOT_ON_COMMIT}",
            f"tag_template: pr-42-abc {wording.NOT_IN_REGISTRY}",
            f"tag_pattern: pr-42-* {wording.NO_TAG_MATCHES}",
            f"fallback_tag: stable {wording.NOT_IN_REGISTRY}",
        ),
    )
    for tag in ("stable", "pr-42-older", "pr-42-abc"):  # each source before the one that had it
        digest = registries.push(HOME, tag, NOW)
        assert pinned(resolve(registries, ALL)) == f"{HOME}@{digest}"
    noted = registries.push(HOME, "release")
    answer = resolve(registries, ALL, note="api: release")
    assert pinned(answer) == f"{HOME}@{noted}"
    assert answer.pin is not None
    assert answer.pin.how == "git note refs/notes/eph: release"


def test_a_digest_takes_the_place_of_a_tag(registries: FakeRegistries) -> None:  # I2, M1
    digest = registries.push(HOME, "pr-42-abc", NOW)
    registries.push(HOME, "pr-42-abc", NOW)
    for request in (replace(WISH, tag=digest), replace(WISH, fallback_tag=digest)):
        assert pinned(resolve(registries, request)) == f"{HOME}@{digest}"
    missing = resolve(registries, replace(WISH, tag="sha256:" + "0" * 64))
    assert (missing.pin, missing.error) == (None, "")


def test_fallback_counts_only_once_allowed(registries: FakeRegistries) -> None:
    registries.push(HOME, "stable")
    assert resolve(registries, ALL, fall_back=False).pin is None
    answer = resolve(registries, ALL)
    assert answer.pin is not None
    assert answer.pin.how.startswith(
        "fallback_tag: stable; git note refs/notes/eph not found on the commit; tag_template"
    )


@pytest.mark.parametrize(
    ("trouble", "unreachable", "pause"),
    [(RegistryUnavailable("does not answer", 7), True, 7), (RegistryRefused("does not let us in"), False, 0)],
)
def test_unreachable_source_lets_no_later_one_win(
    registries: FakeRegistries, trouble: RegistryError, unreachable: bool, pause: float
) -> None:
    """A registry that is down for a minute must not make a commit use the fallback forever."""
    registries.push(HOME, "stable")
    noted = resolve(registries, ALL, note=trouble)
    assert (noted.pin, noted.messages, noted.unreachable, noted.retry_after) == (None, (), unreachable, pause)
    assert noted.error == f"{NOTE} {trouble}"
    registries.error = trouble
    answer = resolve(registries, ALL)
    assert (answer.pin, answer.unreachable) == (None, unreachable)
    assert answer.messages == (f"{NOTE} {wording.NOT_ON_COMMIT}",)
    assert answer.error == f"tag_template: pr-42-abc {trouble}"


@pytest.mark.parametrize(
    ("wish", "created", "labels", "words"),
    [
        (replace(WISH, max_age=timedelta(days=7)), NOW - timedelta(days=8), {}, "was built 2026-02-22 12:00:00 UTC"),
        (replace(WISH, max_age=timedelta(days=7)), None, {}, wording.NO_BUILD_DATE),
        (
            replace(WISH, labels=(("team", "red"),)),
            NOW,
            {},
            wording.label_required(NO_TEAM, "red"),
        ),
        (replace(WISH, labels=(("team", "red"),)), NOW, {"team": "blue"}, wording.label_differs("team", "blue")),
        (WISH, NOW, None, wording.architectures_missing("amd64", wording.NO_LINUX)),
    ],
)
@pytest.mark.parametrize("place", ["tag", "pattern", "note", "fallback"])
def test_unsuitable_image_is_skipped_wherever_it_is_named(
    registries: FakeRegistries,
    wish: ImageRequest,
    created: datetime | None,
    labels: dict[str, str] | None,
    words: str,
    place: str,
) -> None:
    named = {
        "tag": replace(wish, tag="x"),
        "pattern": replace(wish, pattern="x*"),
        "note": replace(wish, notes="refs/notes/eph"),
        "fallback": replace(wish, fallback_tag="x"),
    }[place]
    registries.push(HOME, "x", created, labels, frozenset({"amd64"} if labels is not None else ()))
    answer = resolve(registries, named, note="x")
    assert answer.pin is None
    assert words in answer.messages[0]
    right = registries.push(HOME, "x", NOW - timedelta(days=1), {"team": "red"})
    assert pinned(resolve(registries, named, note="x")) == f"{HOME}@{right}"


def test_newest_of_a_scan_by_build_date_then_by_name(registries: FakeRegistries) -> None:
    registries.push(HOME, "v1.10", NOW - timedelta(hours=5))
    newest = registries.push(HOME, "v1.9", NOW - timedelta(hours=1))
    assert pinned(resolve(registries, replace(WISH, pattern="v1.*"))) == f"{HOME}@{newest}"
    registries.push(HOME, "w1.9", None)
    by_name = registries.push(HOME, "w1.10", None)
    answer = resolve(registries, replace(WISH, pattern="w*"))
    assert pinned(answer) == f"{HOME}@{by_name}"
    assert answer.pin is not None
    assert answer.pin.how == "tag_pattern: w*: w1.10, the newest of 2 matches"


def test_number_of_checked_matches_is_limited_and_reported(registries: FakeRegistries) -> None:
    for number in range(MAX_MATCHES + 10):
        newest = registries.push(HOME, f"n{number}", NOW - timedelta(hours=100 - number))
    before = registries.requests
    answer = resolve(registries, replace(WISH, pattern="n*"))
    assert pinned(answer) == f"{HOME}@{newest}"
    assert answer.pin is not None
    assert wording.first_checked(50) in answer.pin.how
    assert registries.requests - before <= 2 * MAX_MATCHES + 1
    told = resolve(registries, replace(WISH, pattern="n*", labels=(("a", "b"),))).messages[0]
    assert told.count(wording.label_missing("a")) == 3


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("api: 1.2", "1.2"),
        ("api 1.2", "1.2"),
        ("api=1.2", ""),
        ("other: 1\napi: 2\n", "2"),
        ("# CI wrote this\n1.2\n", "1.2"),
        (f"{HOME}@sha256:{'a' * 64}", f"{HOME}@sha256:{'a' * 64}"),
        (f"sha256:{'a' * 64}\n", f"sha256:{'a' * 64}"),
        ("reviewed by Ann, who likes it", ""),
        ("other: 1", ""),
        ("", ""),
        ("a\nb", ""),
    ],
)
def test_content_of_a_note(text: str, named: str) -> None:
    assert reference_in_note(text, WISH) == named


def test_note_cannot_refer_to_another_repository(registries: FakeRegistries) -> None:
    registries.push("registry.test/evil/miner", "1")
    noted = replace(WISH, notes="refs/notes/eph")
    answer = resolve(registries, noted, note="api: registry.test/evil/miner:1")
    other = wording.other_repository("registry.test/evil/miner", HOME)
    assert answer.messages == (f"{NOTE} {other}",)
    assert "';rm -rf /' is not a reference" in resolve(registries, noted, note="api: ;rm -rf /").messages[0]
    missing = resolve(registries, noted, note=f"sha256:{'f' * 64}")
    assert missing.messages == (f"{NOTE} {wording.NOT_IN_REGISTRY}",)


def test_registry_that_is_not_allowed_is_not_contacted(registries: FakeRegistries) -> None:
    registries.push(HOME, "x")
    finder = ImageResolver(RegistryPolicy(registries=("other.test",)), registries, lambda: NOW)
    answer = finder.find(replace(WISH, tag="x"), str, False)
    assert answer.error == f"tag_template: x {wording.registry_not_allowed('other.test')}"
    assert registries.requests == 0
