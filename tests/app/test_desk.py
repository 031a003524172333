"""What people ask of ephd through the API, and what comes of it in the world: P5, L5, L7, O1."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from orchestrator.app.desk import LocalDesk
from orchestrator.core.phases import Phase
from orchestrator.forge.port import ForgeRefused, NotThere
from orchestrator.ledger.fake import MemoryLedger
from orchestrator.ledger.store import LedgerUnavailable
from orchestrator.surfaces.api.app import create_app
from orchestrator.surfaces.api.settings import ApiSettings, Role, Token
from orchestrator.surfaces.port import NoSuchEnvironment, Refused
from stacks import records
from stacks.places import Places
from tests.app.desks import behind
from tests.stories.town import EPH_YAML, Town

ADMIN = "an-admin-token-of-some-length"


@dataclass
class Office:
    town: Town
    desk: LocalDesk
    places: Places


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[Office]:
    town = Town()
    reached = behind(town, tmp_path)
    desk, places = LocalDesk(reached), reached.places
    yield Office(town, desk, places)
    await town.close()


async def test_down_takes_the_label_off_and_everything_goes(office: Office) -> None:  # P5
    town = office.town
    number = town.open()
    await town.live(minutes=1)
    asked = await office.desk.down(f"acme/shop#{number}", "bob")
    assert asked.phase is Phase.READY
    await town.live(minutes=1)
    assert town.forge.pull(town.shop, number).labels == frozenset()
    assert town.stack(number) is None
    assert [event.actor for event in town.ledger.events(limit=99) if event.kind == "intent.down"] == ["bob"]


async def test_a_label_that_cannot_be_taken_off_is_a_refusal_and_nothing_goes(office: Office) -> None:  # P5
    town = office.town
    number = town.open()
    await town.live(minutes=1)
    town.forge.fail_next(ForgeRefused("the token may not change labels"), "remove_label")
    with pytest.raises(Refused, match="may not change labels"):
        await office.desk.down(f"acme/shop#{number}", "bob")
    await town.live(minutes=1)
    assert town.phase(number) is Phase.READY


async def test_a_label_that_somebody_else_took_off_meanwhile_is_no_error(office: Office) -> None:  # P5
    town = office.town
    number = town.open()
    await town.live(minutes=1)
    town.forge.fail_next(NotThere("no such label"), "remove_label")
    town.forge.unlabel(town.shop, number, "preview")
    await office.desk.down(f"acme/shop#{number}", "bob")
    await town.live(minutes=1)
    assert town.stack(number) is None


async def test_extend_adds_to_what_is_left_and_is_written_on_the_stack(office: Office) -> None:  # L5
    town = office.town
    number = town.open()
    await town.live(minutes=1)
    view = town.view(number)
    assert view is not None
    assert view.expires_at is not None
    extended = await office.desk.extend(view.name, 3600, "bob")
    await town.live(minutes=1)
    record = town.stack(number)
    assert record is not None
    assert record.tag is not None
    assert record.tag.extended_until == extended.expires_at
    assert extended.expires_at is not None
    assert timedelta(minutes=59) < extended.expires_at - view.expires_at <= timedelta(hours=1)


async def test_nothing_to_extend_is_said(office: Office) -> None:  # L5
    town = office.town
    number = town.open(from_fork=True)
    await town.live(minutes=1)
    with pytest.raises(Refused, match="not made yet"):
        await office.desk.extend(f"acme/shop#{number}", 3600, "bob")


async def test_the_newest_commit_of_a_fork_is_approved_and_no_other(office: Office) -> None:
    """S2, pitfall 7: bound to one commit; what came after the person spoke is not what they meant."""
    town = office.town
    number = town.open(by="mallory", from_fork=True)
    name, old = f"acme/shop#{number}", town.head(number)
    await town.live(minutes=1)
    spoke = town.now
    new = town.push(number)
    await town.live(minutes=1)
    with pytest.raises(Refused, match=f"the newest commit of {name} is {new}"):
        await office.desk.approve_commit(name, old, "ada")
    with pytest.raises(Refused, match="came in the meantime"):
        await office.desk.approve_commit(name, new, "ada", said=spoke)
    assert town.stacks.started == []
    await office.desk.approve_commit(name, new, "ada", said=town.now)
    await town.live(minutes=1)
    assert (town.phase(number), town.runs(number)) == (Phase.READY, new)
    assert [event.actor for event in town.ledger.events(limit=99) if event.kind == "commit.approved"] == ["ada"]


async def test_only_forks_are_approved_and_a_mark_that_fails_is_a_refusal(office: Office) -> None:  # S2
    town = office.town
    own, fork = town.open("own"), town.open("fork", from_fork=True)
    await town.live(minutes=1)
    with pytest.raises(Refused, match="no open pull request from a fork"):
        await office.desk.approve_commit(f"acme/shop#{own}", town.head(own), "ada")
    town.forge.fail_next(ForgeRefused("the token may not write statuses"), "mark")
    with pytest.raises(Refused, match="may not write statuses"):
        await office.desk.approve_commit(f"acme/shop#{fork}", town.head(fork), "ada")
    await town.live(minutes=1)
    assert town.phase(fork) is Phase.WAITING


async def test_keep_and_unkeep(office: Office) -> None:  # L5
    town = office.town
    number = town.open()
    name = f"acme/shop#{number}"
    await town.live(minutes=1)
    await office.desk.keep(name, True, "ada")
    await town.live(minutes=1)
    record = town.stack(number)
    assert record is not None
    assert record.tag is not None
    assert record.tag.keep
    await town.skip(days=100)
    assert town.phase(number) is Phase.READY
    assert "does not expire" in town.comment(number)
    await office.desk.keep(name, False, "ada")
    await town.live(minutes=1)
    assert town.stack(number) is None
    assert [event.actor for event in town.ledger.events(limit=99) if event.kind == "intent.unkeep"] == ["ada"]


async def test_what_is_not_made_yet_cannot_be_kept(office: Office) -> None:  # L5
    number = office.town.open(from_fork=True)
    await office.town.live(minutes=1)
    with pytest.raises(Refused, match="not made yet"):
        await office.desk.keep(f"acme/shop#{number}", True, "bob")


async def test_a_branch_is_found_by_its_name_and_stays_down_until_a_push(office: Office) -> None:
    """P5, L3: it has no label to take off, so its commit is marked; `up` brings it back, and so does a push."""
    town = office.town
    triggers = "triggers: [{type: branch, branches: [main]}]\n"
    town.forge.push(town.shop, "main", {"eph.yaml": EPH_YAML + triggers})
    await town.live(minutes=1)
    view = await office.desk.down("acme/shop@main", "bob")
    assert (view.phase, view.ref_name) == (Phase.READY, "main")
    await town.live(minutes=5)
    assert town.stacks.records == {}
    await office.desk.up("acme/shop@main", "bob")
    await town.live(minutes=1)
    assert office.desk.environment("acme/shop@main").phase is Phase.READY
    await office.desk.down("acme/shop@main", "bob")
    await town.live(minutes=1)
    assert town.stacks.records == {}
    town.forge.push(town.shop, "main", {"text": "news"})
    await town.live(minutes=1)
    assert office.desk.environment("acme/shop@main").phase is Phase.READY


async def test_up_tries_a_failed_one_at_once(office: Office) -> None:  # P5, L5
    town = office.town
    number = town.open()
    town.stacks.fail(town.ref(number), "exit code 2", times=3)
    await town.live(minutes=1)
    assert town.phase(number) is Phase.FAILED
    await office.desk.up(f"acme/shop#{number}", "bob")
    await town.live(seconds=1)
    assert town.phase(number) is Phase.READY


async def test_only_the_very_plan_that_is_held_can_be_approved(office: Office) -> None:  # L7
    town = office.town
    numbers = [town.open(str(each)) for each in range(9)]
    await town.live(minutes=2)
    with pytest.raises(Refused, match="no plan 'abcdef' is held"):
        await office.desk.approve("abcdef", "bob")
    for number in numbers[:6]:
        town.forge.vanish(town.shop, number)
    await town.live(minutes=2)
    plan = town.loop.shown.plan
    assert plan is not None
    with pytest.raises(Refused, match=plan.digest):
        await office.desk.approve("abcdef", "bob")
    assert len(town.stacks.records) == 9
    await office.desk.approve(plan.digest, "bob")
    await town.live(minutes=3)
    assert len(town.stacks.records) == 3


async def test_sweep_names_what_would_go_and_then_removes_it(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:  # L7
    town = office.town

    def busy(name: str, _: object) -> None:
        raise OSError(f"{name} is busy")

    monkeypatch.setattr(town.target, "purge", busy)
    town.target.leftovers.add("shop-old-name-100")
    await town.live(seconds=1)
    assert any("shop-old-name-100" in line for line in await office.desk.sweep(True, "bob"))
    monkeypatch.undo()
    town.now += timedelta(seconds=20)
    assert len(await office.desk.sweep(False, "bob")) == 1
    await town.live(seconds=1)
    assert town.target.leftovers == set()
    assert await office.desk.sweep(True, "bob") == []


async def test_logs_of_the_operation_are_followed_until_the_environment_is_gone(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:  # P5
    monkeypatch.setattr("orchestrator.app.desk.FOLLOW_PAUSE", 0)
    town = office.town
    number = town.open()
    await town.live(minutes=1)
    office.places.prepare()
    ref = town.ref(number)
    office.places.logs(ref).mkdir(parents=True)
    log = records.new_log(office.places, ref, "1-up")
    log.write_text("one\ntwo\n")
    told: list[str] = []
    async for line in office.desk.follow_operation(f"acme/shop#{number}"):
        told.append(line)
        if line == "two":
            log.write_text("one\ntwo\nthree\n")
        if line == "three":
            town.forge.close_pull(town.shop, number)
            await town.live(minutes=1)
    assert told == ["one", "two", "three"]


async def test_names_are_found_and_unknown_ones_are_said(office: Office) -> None:  # P5
    town = office.town
    number = town.open()
    await town.live(minutes=1)
    view = town.view(number)
    assert view is not None
    for name in (view.name, str(view.ref), view.host, f"ACME/shop#{number}"):
        assert office.desk.environment(name).ref == view.ref
    for name in ("", "acme/shop#99", "nothing"):
        with pytest.raises(NoSuchEnvironment):
            office.desk.environment(name)


async def test_the_history_of_what_is_gone_is_found_by_its_stack(office: Office) -> None:  # P5
    town = office.town
    number = town.open()
    await town.live(minutes=1)
    ref = town.ref(number)
    town.forge.close_pull(town.shop, number)
    await town.live(minutes=1)
    kinds = [event.kind for event in await office.desk.events(str(ref), 0, 100, False)]
    assert kinds[0] == "environment.creating"
    assert kinds[-1] == "environment.destroyed"


class Dead(MemoryLedger):
    def events(self, *_: object, **__: object) -> list:
        raise LedgerUnavailable("The event log at sqlite:///ledger.db cannot be read: the disk is gone.")


async def test_a_dead_event_log_is_a_503_and_nothing_else_suffers(office: Office) -> None:  # O1, P7
    town = office.town
    number = town.open()
    await town.live(minutes=1)
    office.desk._behind.ledger = Dead()
    app = create_app(office.desk, ApiSettings("1", tokens=(Token.of(ADMIN, "ann", Role.ADMIN),)))
    transport = httpx.ASGITransport(app)
    headers = {"Authorization": f"Bearer {ADMIN}"}
    async with httpx.AsyncClient(transport=transport, base_url="http://eph", headers=headers) as client:
        events = await client.get("/api/v1/events")
        assert events.status_code == 503
        assert events.json()["error"]["code"] == "unavailable"
        assert "the disk is gone" in events.json()["error"]["message"]
        found = (await client.get("/api/v1/environments")).json()["items"]
        assert [item["number"] for item in found] == [number]
