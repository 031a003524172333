"""Images that CI pushes when it likes: found, waited for, pinned, not to be had (I1, I2, L2, L3, P1)."""

from __future__ import annotations

from datetime import timedelta

import pytest

from orchestrator.core.views.phases import Phase
from orchestrator.forges.port import ForgeUnavailable
from orchestrator.images.errors import RegistryRefused, RegistryUnavailable
from tests.worlds.composition import INTERVAL
from tests.worlds.world import World

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


def eph_yaml_files(*lines: str) -> dict[str, str]:
    return {"eph.yaml": FILE.format(image="\n".join(f"      {line}" for line in lines or BY_TAG))}


def image_tag(world: World, number: int) -> str:
    return f"pr-{number}-{world.head(number)[:7]}"


def push_image(world: World, number: int) -> str:
    return world.registries.push(REPOSITORY, image_tag(world, number), created=world.now)


def running_digest(world: World, number: int) -> str:
    """The digest that the stack was built with."""
    record = world.stack(number)
    return record.built.images["api"].partition("@")[2] if record and record.built else ""


def reasons(world: World, number: int) -> str:
    view = world.view(number)
    assert view is not None
    return "\n".join(view.reasons)


async def test_it_waits_for_ci_and_is_made_once_the_image_is_there(world: World) -> None:
    number = world.open_pull(files=eph_yaml_files())
    await world.run_for(minutes=5)
    assert world.phase(number) is Phase.IMAGE
    assert world.stacks.started == []
    comment = world.comment(number)
    assert "Waiting for image" in comment
    assert f"{image_tag(world, number)} not found in the registry" in comment.replace("\\", "")
    assert "until 2026-03-02 12:30:00 UTC at the latest" in comment.replace("\\", "")
    view = world.view(number)
    assert view is not None
    assert view.since is not None
    assert view.since - world.now < timedelta(minutes=-4)
    digest = push_image(world, number)
    assert world.stacks.started == [], "the push itself does nothing"
    await world.run_for(seconds=INTERVAL.total_seconds())
    assert (world.phase(number), running_digest(world, number)) == (Phase.READY, digest)
    ready = world.view(number)
    assert ready is not None
    assert ready.built_images == {"api": f"{REPOSITORY}@{digest}"}
    assert f"image api is {REPOSITORY}@{digest}, found by tag_template: {image_tag(world, number)}" in reasons(
        world, number
    )


async def test_a_look_is_one_question_and_the_comment_is_written_once(world: World) -> None:
    """L4: waiting costs one cheap question each half minute, and nobody is told the same again."""
    number = world.open_pull(files=eph_yaml_files())
    await world.run_for(minutes=1)
    before, comment = world.registries.requests, world.comment(number)
    await world.run_for(minutes=10)
    assert 20 <= world.registries.requests - before <= 22
    assert world.comment(number) == comment
    assert len(world.event_messages("environment.awaits_image")) == 1


async def test_after_the_wait_it_has_failed_and_says_what_to_do(world: World) -> None:
    number = world.open_pull(files=eph_yaml_files(*BY_TAG, "wait: 10m"))
    await world.run_for(minutes=9)
    assert world.phase(number) is Phase.IMAGE
    await world.run_for(minutes=2)
    assert world.phase(number) is Phase.FAILED
    view = world.view(number)
    assert view is not None
    assert view.failure is not None
    assert "image api for commit" in view.failure.error
    assert "within 10 min" in view.failure.error
    assert "/eph retry" in world.comment(number)
    assert len(world.event_messages("environment.without_image")) == 1
    before = world.registries.requests
    await world.run_for(minutes=30)
    assert world.registries.requests == before, "it is looked for hourly from now on"
    push_image(world, number)
    await world.run_for(minutes=31)
    assert world.phase(number) is Phase.READY


async def test_retry_looks_at_once_and_waits_as_long_again(world: World) -> None:
    number = world.open_pull(files=eph_yaml_files(*BY_TAG, "wait: 10m"))
    await world.run_for(minutes=15)
    assert world.phase(number) is Phase.FAILED
    world.request_action("retry", number)
    await world.run_for(minutes=5)
    assert world.phase(number) is Phase.IMAGE
    await world.run_for(minutes=6)
    assert world.phase(number) is Phase.FAILED
    digest = push_image(world, number)
    world.request_action("retry", number)
    await world.run_for(seconds=1)
    assert (world.phase(number), running_digest(world, number)) == (Phase.READY, digest)


async def test_a_push_while_it_waits_waits_for_the_newer_commit(world: World) -> None:
    number = world.open_pull(files=eph_yaml_files(*BY_TAG, "wait: 10m"))
    await world.run_for(minutes=8)
    world.push(number)
    await world.run_for(minutes=5)
    assert world.phase(number) is Phase.IMAGE, "its wait began with it"
    digest = push_image(world, number)
    await world.run_for(minutes=1)
    assert (world.running_commit(number), running_digest(world, number)) == (world.head(number), digest)


async def test_what_runs_goes_on_while_the_newer_one_has_no_image(world: World) -> None:
    """A failed look, a wait that is over, a registry that is down: nothing of it touches what runs."""
    number = world.open_pull(files=eph_yaml_files(*BY_TAG, "wait: 10m"))
    digest, first = push_image(world, number), world.head(number)
    await world.run_for(minutes=1)
    world.push(number)
    await world.run_for(minutes=5)
    assert world.phase(number) is Phase.IMAGE
    assert "is still live" in world.comment(number)
    world.registries.error = RegistryUnavailable("unavailable: registry.test does not answer (ConnectError)")
    await world.run_for(minutes=20)
    assert world.phase(number) is Phase.IMAGE, "silence says nothing, so the wait is not over"
    assert "registry.test does not answer" in reasons(world, number)
    world.registries.error = None
    await world.run_for(minutes=15)
    assert world.phase(number) is Phase.FAILED
    assert (world.running_commit(number), running_digest(world, number)) == (first, digest)
    assert len(world.built_commits(number)) == 1


async def test_a_registry_that_is_down_touches_nothing_that_is_built(world: World) -> None:
    number = world.open_pull(files=eph_yaml_files())
    push_image(world, number)
    await world.run_for(minutes=1)
    asked = world.registries.requests
    world.registries.error = RegistryUnavailable("cannot be asked for just now")
    await world.run_for(minutes=10)
    await world.crash()
    await world.run_for(minutes=5)
    assert world.phase(number) is Phase.READY
    assert world.registries.requests == asked, "what is pinned is not looked for again"
    assert len(world.built_commits(number)) == 1


async def test_a_registry_that_is_down_is_asked_less_and_less(world: World) -> None:
    number = world.open_pull(files=eph_yaml_files())
    world.registries.error = RegistryUnavailable("unavailable: registry.test asks for patience", retry_after=300)
    await world.run_for(minutes=1)
    before = world.registries.requests
    await world.run_for(minutes=30)
    assert 4 <= world.registries.requests - before <= 7
    world.registries.error = None
    digest = push_image(world, number)
    await world.run_for(minutes=11)
    assert running_digest(world, number) == digest


async def test_a_tag_that_moves_changes_nothing_for_a_commit(world: World) -> None:
    """I2: pinned once, whatever happens: repairs, other commits' builds, restarts in the middle of a build."""
    number = world.open_pull(files=eph_yaml_files("tag_template: latest"))
    first = world.registries.push(REPOSITORY, "latest")
    ref = world.hold(number)
    await world.run_for(seconds=5)
    world.registries.push(REPOSITORY, "latest")
    await world.crash()
    await world.run_for(minutes=2)
    assert (world.phase(number), running_digest(world, number)) == (Phase.READY, first)
    world.unresponsive.add(world.url(number).partition("//")[2])
    await world.run_for(minutes=12)
    world.unresponsive.clear()
    await world.run_for(minutes=12)
    assert len(world.built_commits(number)) > 2, "it was repaired"
    assert running_digest(world, number) == first
    world.release(ref)
    world.push(number)
    await world.run_for(minutes=1)
    assert running_digest(world, number) != first


async def test_a_failed_build_is_tried_again_with_the_same_images(world: World) -> None:
    number = world.open_pull(files=eph_yaml_files("tag_template: latest"))
    first = world.registries.push(REPOSITORY, "latest")
    world.stacks.fail(world.ref(number), "the quota is full", times=2)
    await world.run_for(seconds=10)
    world.registries.push(REPOSITORY, "latest")
    await world.run_for(minutes=5)
    assert (len(world.built_commits(number)), running_digest(world, number)) == (3, first)


async def test_a_restart_does_not_begin_the_wait_anew(world: World) -> None:
    number = world.open_pull(files=eph_yaml_files(*BY_TAG, "wait: 10m"))
    await world.run_for(minutes=9)
    await world.crash()
    await world.run_for(minutes=2)
    assert world.phase(number) is Phase.FAILED


async def test_the_fallback_is_taken_at_once_and_said(world: World) -> None:
    number = world.open_pull(files=eph_yaml_files(*BY_TAG, "fallback_tag: stable"))
    digest = world.registries.push(REPOSITORY, "stable")
    await world.run_for(minutes=1)
    assert (world.phase(number), running_digest(world, number)) == (Phase.READY, digest)
    said = f"fallback_tag: stable; tag_template: {image_tag(world, number)} not found in the registry"
    assert said in reasons(world, number)
    assert "fallback_tag: stable" in world.comment(number).replace("\\", "")
    assert "### 🟡 Ready with fallback image stable" in world.comment(number)


FALLBACK_FILES = eph_yaml_files(*BY_TAG, "fallback_tag: stable", "wait: 10m")


async def test_image_of_ci_replaces_the_fallback(world: World) -> None:
    """I1: a preview of the fallback is provisional; reviewers must not mistake it for the commit."""
    number = world.open_pull(files=FALLBACK_FILES)
    world.registries.push(REPOSITORY, "stable")
    await world.run_for(minutes=4)
    assert "Ready with fallback image stable" in world.comment(number)
    digest = push_image(world, number)
    await world.run_for(minutes=1)
    assert (world.phase(number), running_digest(world, number)) == (Phase.READY, digest)
    assert "### 🟢 Ready: " in world.comment(number)
    world.registries.push(REPOSITORY, "stable")
    before = world.registries.requests
    await world.run_for(minutes=30)
    assert (running_digest(world, number), world.registries.requests) == (digest, before), "it is final"


async def test_fallback_does_not_move_and_is_final_when_the_wait_is_over(world: World) -> None:
    """I2: the tag of the fallback may move while Eph looks for the commit's image."""
    number = world.open_pull(files=FALLBACK_FILES)
    digest = world.registries.push(REPOSITORY, "stable")
    await world.run_for(minutes=4)
    world.registries.push(REPOSITORY, "stable")
    await world.run_for(minutes=7)
    builds, before = len(world.stacks.started), world.registries.requests
    push_image(world, number)
    await world.run_for(minutes=60)
    assert (running_digest(world, number), len(world.stacks.started)) == (digest, builds)
    assert world.registries.requests == before, "the wait is over"


async def test_retry_looks_for_the_image_again_after_the_wait(world: World) -> None:
    number = world.open_pull(files=FALLBACK_FILES)
    world.registries.push(REPOSITORY, "stable")
    await world.run_for(minutes=30)
    digest = push_image(world, number)
    world.request_action("retry", number)
    await world.run_for(minutes=1)
    assert (world.phase(number), running_digest(world, number)) == (Phase.READY, digest)


async def test_unavailable_registry_does_not_end_a_fallback(world: World) -> None:
    number = world.open_pull(files=FALLBACK_FILES)
    fallback = world.registries.push(REPOSITORY, "stable")
    await world.run_for(minutes=1)
    world.registries.error = RegistryUnavailable("503")
    await world.run_for(minutes=2)
    world.registries.error = None
    assert (world.phase(number), running_digest(world, number)) == (Phase.READY, fallback)
    digest = push_image(world, number)
    await world.run_for(minutes=6)
    assert running_digest(world, number) == digest


async def test_with_fallback_wait_it_is_taken_when_the_wait_is_over(world: World) -> None:
    number = world.open_pull(files=eph_yaml_files(*BY_TAG, "fallback_tag: stable", "fallback: wait", "wait: 10m"))
    digest = world.registries.push(REPOSITORY, "stable")
    await world.run_for(minutes=9)
    assert world.phase(number) is Phase.IMAGE
    await world.run_for(minutes=2)
    assert (world.phase(number), running_digest(world, number)) == (Phase.READY, digest)


async def test_with_fallback_fail_it_does_not_wait(world: World) -> None:
    number = world.open_pull(files=eph_yaml_files(*BY_TAG, "fallback: fail"))
    await world.run_for(seconds=5)
    assert world.phase(number) is Phase.FAILED
    push_image(world, number)
    world.request_action("retry", number)
    await world.run_for(seconds=5)
    assert world.phase(number) is Phase.READY


async def test_a_git_note_names_the_image_first_of_all(world: World) -> None:
    number = world.open_pull(files=eph_yaml_files(*BY_TAG, "git_notes: true"))
    push_image(world, number)
    digest = world.registries.push(REPOSITORY, "elsewhere")
    world.forge.write_note(world.shop, world.head(number), f"api: {digest}\n")
    await world.run_for(minutes=1)
    assert running_digest(world, number) == digest
    assert "by git note refs/notes/eph" in reasons(world, number)


async def test_a_git_host_that_does_not_tell_its_notes_says_nothing(world: World) -> None:
    number = world.open_pull(files=eph_yaml_files(*BY_TAG, "git_notes: true"))
    push_image(world, number)
    world.forge.fail_next(ForgeUnavailable("502 Bad Gateway"), "note")
    await world.run_for(seconds=5)
    assert world.phase(number) is Phase.IMAGE
    assert "git note refs/notes/eph unavailable: 502 Bad Gateway" in reasons(world, number)
    await world.run_for(minutes=1)
    assert world.phase(number) is Phase.READY


async def test_a_scan_takes_the_newest_that_is_young_enough(world: World) -> None:
    number = world.open_pull(files=eph_yaml_files("tag_pattern: 'pr-{pr_number}-*'", "max_age: 1d"))
    world.registries.push(REPOSITORY, f"pr-{number}-zz", created=world.now - timedelta(days=2))
    await world.run_for(minutes=1)
    assert world.phase(number) is Phase.IMAGE
    assert "older than 1 day (max_age)" in reasons(world, number)
    old = world.registries.push(REPOSITORY, f"pr-{number}-aa", created=world.now - timedelta(hours=3))
    new = world.registries.push(REPOSITORY, f"pr-{number}-bb", created=world.now - timedelta(hours=2))
    world.registries.push(REPOSITORY, f"pr-{number}1-cc", created=world.now)
    await world.run_for(minutes=1)
    assert running_digest(world, number) == new != old


async def test_each_of_several_is_pinned_when_it_is_there(world: World) -> None:
    more = "    - {name: worker, repository: registry.test/acme/worker, tag_template: latest}\nservices:"
    text = eph_yaml_files()["eph.yaml"].replace("services:", more) + "  - {name: work, image: worker, public: false}\n"
    number = world.open_pull(files={"eph.yaml": text})
    first = world.registries.push("registry.test/acme/worker", "latest")
    await world.run_for(minutes=5)
    assert world.phase(number) is Phase.IMAGE
    assert "waiting for image api for" in reasons(world, number)
    world.registries.push("registry.test/acme/worker", "latest")
    api = push_image(world, number)
    await world.run_for(minutes=1)
    record = world.stack(number)
    assert record is not None
    assert record.built is not None
    assert record.built.images == {
        "api": f"{REPOSITORY}@{api}",
        "worker": f"registry.test/acme/worker@{first}",
    }


async def test_an_image_that_is_refused_is_told_and_fails_in_time(world: World) -> None:
    number = world.open_pull(files=eph_yaml_files(*BY_TAG, "wait: 10m"))
    world.registries.error = RegistryRefused("not accessible: registry.test denies this server access")
    await world.run_for(minutes=2)
    assert world.phase(number) is Phase.IMAGE
    assert "denies this server access" in world.comment(number).replace("\\", "")
    await world.run_for(minutes=10)
    assert world.phase(number) is Phase.FAILED


@pytest.mark.parametrize("gone", ["close", "unlabel"])
async def test_who_does_not_want_it_any_more_is_not_waited_for(world: World, gone: str) -> None:
    number = world.open_pull(files=eph_yaml_files())
    await world.run_for(minutes=2)
    if gone == "close":
        world.close_pull(number)
    else:
        world.unlabel(number)
    await world.run_for(minutes=2)
    before = world.registries.requests
    await world.run_for(minutes=30)
    assert world.registries.requests == before
    assert world.facts.image_lookups.latest == {}


async def test_nothing_is_looked_for_that_may_not_be_built(world: World) -> None:
    """S2: for a fork's commit that nobody approved, no registry is asked."""
    number = world.open_pull(files=eph_yaml_files(), by="mallory", from_fork=True)
    world.forge.push(world.shop, "main", eph_yaml_files())
    await world.run_for(minutes=5)
    assert world.phase(number) is Phase.WAITING
    assert world.registries.requests == 0
