"""Images that CI pushes when it likes: found, waited for, pinned, not to be had (I1, I2, L2, L3, P1)."""

from __future__ import annotations

from datetime import timedelta

import pytest

from orchestrator.core.phases import Phase
from orchestrator.forge.port import ForgeUnavailable
from orchestrator.images.errors import Refused, Unavailable
from tests.stories.town import INTERVAL, Town

REPOSITORY = "registry.test/acme/shop"
FILE = """\
version: "1.0"
name: shop
target: kubernetes
environment:
  images:
    - name: api
      repository: registry.test/acme/shop
{image}
services:
  - {{name: web, image: api}}
"""
BY_TAG = ("tag_template: 'pr-{pr_number}-{commit_sha:0:7}'",)


def files(*lines: str) -> dict[str, str]:
    return {"eph.yaml": FILE.format(image="\n".join(f"      {line}" for line in lines or BY_TAG))}


def tag(town: Town, number: int) -> str:
    return f"pr-{number}-{town.head(number)[:7]}"


def ci_pushes(town: Town, number: int) -> str:
    return town.registries.push(REPOSITORY, tag(town, number), created=town.now)


def runs_image(town: Town, number: int) -> str:
    """The digest that the stack was built with."""
    record = town.stack(number)
    return record.built.images["api"].partition("@")[2] if record and record.built else ""


def why(town: Town, number: int) -> str:
    view = town.view(number)
    assert view is not None
    return "\n".join(view.reasons)


async def test_it_waits_for_ci_and_is_made_once_the_image_is_there(town: Town) -> None:
    number = town.open(files=files())
    await town.live(minutes=5)
    assert town.phase(number) is Phase.IMAGE
    assert town.stacks.started == []
    comment = town.comment(number)
    assert "Waiting for image" in comment
    assert f"{tag(town, number)} is not in its registry" in comment.replace("\\", "")
    assert "at most until 2026-03-02 12:30:00 UTC" in comment.replace("\\", "")
    view = town.view(number)
    assert view is not None
    assert view.since is not None
    assert view.since - town.now < timedelta(minutes=-4)
    digest = ci_pushes(town, number)
    assert town.stacks.started == [], "the push itself does nothing"
    await town.live(seconds=INTERVAL.total_seconds())
    assert (town.phase(number), runs_image(town, number)) == (Phase.READY, digest)
    assert f"image api is {REPOSITORY}@{digest}, by tag_template: {tag(town, number)}" in why(town, number)


async def test_a_look_is_one_question_and_the_comment_is_written_once(town: Town) -> None:
    """L4: waiting costs one cheap question each half minute, and nobody is told the same again."""
    number = town.open(files=files())
    await town.live(minutes=1)
    before, comment = town.registries.asked, town.comment(number)
    await town.live(minutes=10)
    assert 20 <= town.registries.asked - before <= 22
    assert town.comment(number) == comment
    assert len(town.said("environment.awaits_image")) == 1


async def test_after_the_wait_it_has_failed_and_says_what_to_do(town: Town) -> None:
    number = town.open(files=files(*BY_TAG, "wait: 10m"))
    await town.live(minutes=9)
    assert town.phase(number) is Phase.IMAGE
    await town.live(minutes=2)
    assert town.phase(number) is Phase.FAILED
    view = town.view(number)
    assert view is not None
    assert view.failure is not None
    assert "there is no image api for commit" in view.failure.error
    assert "within 10 min" in view.failure.error
    assert "/eph retry" in town.comment(number)
    assert len(town.said("environment.without_image")) == 1
    before = town.registries.asked
    await town.live(minutes=30)
    assert town.registries.asked == before, "it is looked for hourly from now on"
    ci_pushes(town, number)
    await town.live(minutes=31)
    assert town.phase(number) is Phase.READY


async def test_retry_looks_at_once_and_waits_as_long_again(town: Town) -> None:
    number = town.open(files=files(*BY_TAG, "wait: 10m"))
    await town.live(minutes=15)
    assert town.phase(number) is Phase.FAILED
    town.ask("retry", number)
    await town.live(minutes=5)
    assert town.phase(number) is Phase.IMAGE
    await town.live(minutes=6)
    assert town.phase(number) is Phase.FAILED
    digest = ci_pushes(town, number)
    town.ask("retry", number)
    await town.live(seconds=1)
    assert (town.phase(number), runs_image(town, number)) == (Phase.READY, digest)


async def test_a_push_while_it_waits_waits_for_the_newer_commit(town: Town) -> None:
    number = town.open(files=files(*BY_TAG, "wait: 10m"))
    await town.live(minutes=8)
    town.push(number)
    await town.live(minutes=5)
    assert town.phase(number) is Phase.IMAGE, "its wait began with it"
    digest = ci_pushes(town, number)
    await town.live(minutes=1)
    assert (town.runs(number), runs_image(town, number)) == (town.head(number), digest)


async def test_what_runs_goes_on_while_the_newer_one_has_no_image(town: Town) -> None:
    """A failed look, a wait that is over, a registry that is down: nothing of it touches what runs."""
    number = town.open(files=files(*BY_TAG, "wait: 10m"))
    digest, first = ci_pushes(town, number), town.head(number)
    await town.live(minutes=1)
    town.push(number)
    await town.live(minutes=5)
    assert town.phase(number) is Phase.IMAGE
    assert "still answers" in town.comment(number)
    town.registries.down = Unavailable("cannot be asked for just now: registry.test does not answer (ConnectError)")
    await town.live(minutes=20)
    assert town.phase(number) is Phase.IMAGE, "silence says nothing, so the wait is not over"
    assert "registry.test does not answer" in why(town, number)
    town.registries.down = None
    await town.live(minutes=15)
    assert town.phase(number) is Phase.FAILED
    assert (town.runs(number), runs_image(town, number)) == (first, digest)
    assert len(town.ups(number)) == 1


async def test_a_registry_that_is_down_touches_nothing_that_is_built(town: Town) -> None:
    number = town.open(files=files())
    ci_pushes(town, number)
    await town.live(minutes=1)
    asked = town.registries.asked
    town.registries.down = Unavailable("cannot be asked for just now")
    await town.live(minutes=10)
    await town.kill()
    await town.live(minutes=5)
    assert town.phase(number) is Phase.READY
    assert town.registries.asked == asked, "what is pinned is not looked for again"
    assert len(town.ups(number)) == 1


async def test_a_registry_that_is_down_is_asked_less_and_less(town: Town) -> None:
    number = town.open(files=files())
    town.registries.down = Unavailable("cannot be asked for just now: registry.test asks for patience", pause=300)
    await town.live(minutes=1)
    before = town.registries.asked
    await town.live(minutes=30)
    assert 4 <= town.registries.asked - before <= 7
    town.registries.down = None
    digest = ci_pushes(town, number)
    await town.live(minutes=11)
    assert runs_image(town, number) == digest


async def test_a_tag_that_moves_changes_nothing_for_a_commit(town: Town) -> None:
    """I2: pinned once, whatever happens: repairs, other commits' builds, restarts in the middle of a build."""
    number = town.open(files=files("tag_template: latest"))
    first = town.registries.push(REPOSITORY, "latest")
    ref = town.hold(number)
    await town.live(seconds=5)
    town.registries.push(REPOSITORY, "latest")
    await town.kill()
    await town.live(minutes=2)
    assert (town.phase(number), runs_image(town, number)) == (Phase.READY, first)
    town.deaf.add(town.url(number).partition("//")[2])
    await town.live(minutes=12)
    town.deaf.clear()
    await town.live(minutes=12)
    assert len(town.ups(number)) > 2, "it was repaired"
    assert runs_image(town, number) == first
    town.release(ref)
    town.push(number)
    await town.live(minutes=1)
    assert runs_image(town, number) != first


async def test_a_failed_build_is_tried_again_with_the_same_images(town: Town) -> None:
    number = town.open(files=files("tag_template: latest"))
    first = town.registries.push(REPOSITORY, "latest")
    town.stacks.fail(town.ref(number), "the quota is full", times=2)
    await town.live(seconds=10)
    town.registries.push(REPOSITORY, "latest")
    await town.live(minutes=5)
    assert (len(town.ups(number)), runs_image(town, number)) == (3, first)


async def test_a_restart_does_not_begin_the_wait_anew(town: Town) -> None:
    number = town.open(files=files(*BY_TAG, "wait: 10m"))
    await town.live(minutes=9)
    await town.kill()
    await town.live(minutes=2)
    assert town.phase(number) is Phase.FAILED


async def test_the_fallback_is_taken_at_once_and_said(town: Town) -> None:
    number = town.open(files=files(*BY_TAG, "fallback_tag: stable"))
    digest = town.registries.push(REPOSITORY, "stable")
    await town.live(minutes=1)
    assert (town.phase(number), runs_image(town, number)) == (Phase.READY, digest)
    said = f"fallback_tag: stable; tag_template: {tag(town, number)} is not in its registry"
    assert said in why(town, number)
    assert "fallback_tag: stable" in town.comment(number).replace("\\", "")
    ci_pushes(town, number)
    await town.live(minutes=10)
    assert runs_image(town, number) == digest, "a push of an image triggers nothing"


async def test_with_fallback_wait_it_is_taken_when_the_wait_is_over(town: Town) -> None:
    number = town.open(files=files(*BY_TAG, "fallback_tag: stable", "fallback: wait", "wait: 10m"))
    digest = town.registries.push(REPOSITORY, "stable")
    await town.live(minutes=9)
    assert town.phase(number) is Phase.IMAGE
    await town.live(minutes=2)
    assert (town.phase(number), runs_image(town, number)) == (Phase.READY, digest)


async def test_with_fallback_fail_it_does_not_wait(town: Town) -> None:
    number = town.open(files=files(*BY_TAG, "fallback: fail"))
    await town.live(seconds=5)
    assert town.phase(number) is Phase.FAILED
    ci_pushes(town, number)
    town.ask("retry", number)
    await town.live(seconds=5)
    assert town.phase(number) is Phase.READY


async def test_a_git_note_names_the_image_first_of_all(town: Town) -> None:
    number = town.open(files=files(*BY_TAG, "git_notes: true"))
    ci_pushes(town, number)
    digest = town.registries.push(REPOSITORY, "elsewhere")
    town.forge.write_note(town.shop, town.head(number), f"api: {digest}\n")
    await town.live(minutes=1)
    assert runs_image(town, number) == digest
    assert "by git note refs/notes/eph" in why(town, number)


async def test_a_git_host_that_does_not_tell_its_notes_says_nothing(town: Town) -> None:
    number = town.open(files=files(*BY_TAG, "git_notes: true"))
    ci_pushes(town, number)
    town.forge.fail_next(ForgeUnavailable("502 Bad Gateway"), "note")
    await town.live(seconds=5)
    assert town.phase(number) is Phase.IMAGE
    assert "git note refs/notes/eph cannot be asked for just now: 502 Bad Gateway" in why(town, number)
    await town.live(minutes=1)
    assert town.phase(number) is Phase.READY


async def test_a_scan_takes_the_newest_that_is_young_enough(town: Town) -> None:
    number = town.open(files=files("tag_pattern: 'pr-{pr_number}-*'", "max_age: 1d"))
    town.registries.push(REPOSITORY, f"pr-{number}-zz", created=town.now - timedelta(days=2))
    await town.live(minutes=1)
    assert town.phase(number) is Phase.IMAGE
    assert "longer ago than 1 day (max_age)" in why(town, number)
    old = town.registries.push(REPOSITORY, f"pr-{number}-aa", created=town.now - timedelta(hours=3))
    new = town.registries.push(REPOSITORY, f"pr-{number}-bb", created=town.now - timedelta(hours=2))
    town.registries.push(REPOSITORY, f"pr-{number}1-cc", created=town.now)
    await town.live(minutes=1)
    assert runs_image(town, number) == new != old


async def test_each_of_several_is_pinned_when_it_is_there(town: Town) -> None:
    more = "    - {name: worker, repository: registry.test/acme/worker, tag_template: latest}\nservices:"
    text = files()["eph.yaml"].replace("services:", more) + "  - {name: work, image: worker, public: false}\n"
    number = town.open(files={"eph.yaml": text})
    first = town.registries.push("registry.test/acme/worker", "latest")
    await town.live(minutes=5)
    assert town.phase(number) is Phase.IMAGE
    assert "waits for image api of" in why(town, number)
    town.registries.push("registry.test/acme/worker", "latest")
    api = ci_pushes(town, number)
    await town.live(minutes=1)
    record = town.stack(number)
    assert record is not None
    assert record.built is not None
    assert record.built.images == {
        "api": f"{REPOSITORY}@{api}",
        "worker": f"registry.test/acme/worker@{first}",
    }


async def test_an_image_that_is_refused_is_told_and_fails_in_time(town: Town) -> None:
    number = town.open(files=files(*BY_TAG, "wait: 10m"))
    town.registries.down = Refused("cannot be asked for: registry.test does not let this server in")
    await town.live(minutes=2)
    assert town.phase(number) is Phase.IMAGE
    assert "does not let this server in" in town.comment(number).replace("\\", "")
    await town.live(minutes=10)
    assert town.phase(number) is Phase.FAILED


@pytest.mark.parametrize("gone", ["close", "unlabel"])
async def test_who_does_not_want_it_any_more_is_not_waited_for(town: Town, gone: str) -> None:
    number = town.open(files=files())
    await town.live(minutes=2)
    if gone == "close":
        town.forge.close_pull(town.shop, number)
    else:
        town.forge.unlabel(town.shop, number, "preview")
    await town.live(minutes=2)
    before = town.registries.asked
    await town.live(minutes=30)
    assert town.registries.asked == before
    assert town.memory.looked == {}


async def test_nothing_is_looked_for_that_may_not_be_built(town: Town) -> None:
    """S2: for a fork's commit that nobody approved, no registry is asked."""
    number = town.open(files=files(), by="mallory", from_fork=True)
    town.forge.push(town.shop, "main", files())
    await town.live(minutes=5)
    assert town.phase(number) is Phase.WAITING
    assert town.registries.asked == 0
