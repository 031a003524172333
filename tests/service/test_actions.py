"""Actions of people through the API, and their effect in the world: P5, L5, L7, O1."""

from __future__ import annotations

from datetime import timedelta

import httpx
import pytest

from orchestrator.auth.identities import Role
from orchestrator.auth.tokens import Token
from orchestrator.core.views.phases import Phase
from orchestrator.forges.port import ForgeNotFound, ForgeRefused, ForgeUnavailable
from orchestrator.ledger.fake import MemoryLedger
from orchestrator.ledger.port import Event
from orchestrator.ledger.sql_ledger import LedgerUnavailable
from orchestrator.service.port import EnvironmentNotFound, RefusalReason, TemporarilyUnavailable
from orchestrator.surfaces.api.api_settings import ApiSettings
from orchestrator.surfaces.api.app import create_app
from tests.service.change_requests import ActionsSetup, refused
from tests.worlds.eph_files import EPH_YAML

ADMIN = "an-admin-token-of-some-length"


async def test_down_removes_the_label_and_destroys_the_environment(setup: ActionsSetup) -> None:  # P5
    town = setup.world
    number = town.open_pull()
    await town.run_for(minutes=1)
    asked = await setup.actions.down(f"acme/shop#{number}", "bob")
    assert asked.phase is Phase.READY
    await town.run_for(minutes=1)
    assert town.forge.pull(town.shop, number).labels == frozenset()
    assert town.stack(number) is None
    assert [event.actor for event in town.ledger.events(limit=99) if event.kind == "intent.down"] == ["bob"]


async def test_down_is_refused_when_the_label_cant_be_removed(setup: ActionsSetup) -> None:  # P5
    town = setup.world
    number = town.open_pull()
    await town.run_for(minutes=1)
    town.forge.fail_next(ForgeRefused("the token may not change labels"), "remove_label")
    with refused(RefusalReason.FORGE_ERROR, "may not change labels"):
        await setup.actions.down(f"acme/shop#{number}", "bob")
    await town.run_for(minutes=1)
    assert town.phase(number) is Phase.READY


async def test_down_accepts_a_label_that_is_already_removed(setup: ActionsSetup) -> None:  # P5
    town = setup.world
    number = town.open_pull()
    await town.run_for(minutes=1)
    town.forge.fail_next(ForgeNotFound("no such label"), "remove_label")
    town.unlabel(number)
    await setup.actions.down(f"acme/shop#{number}", "bob")
    await town.run_for(minutes=1)
    assert town.stack(number) is None


async def test_create_adds_the_trigger_label_as_the_chat_command_does(setup: ActionsSetup) -> None:  # P11
    town = setup.world
    number = town.open_pull(label=False)
    await town.run_for(minutes=1)
    made = await setup.actions.create_for_pull_request("ACME/shop", number, "service:agent")
    assert (made.repository, made.number, made.label, made.added) == ("acme/shop", number, "preview", True)
    assert town.forge.pull(town.shop, number).labels == {"preview"}
    await town.run_for(minutes=1)
    assert town.phase(number) is Phase.READY
    again = await setup.actions.create_for_pull_request("acme/shop", number, "service:agent")
    assert (again.label, again.added) == ("preview", False)
    events = [(each.kind, each.actor) for each in town.ledger.events(limit=99) if each.kind.startswith("intent.")]
    assert events == [("intent.up", "service:agent"), ("intent.retry", "service:agent"), ("intent.up", "service:agent")]


async def test_create_is_refused_without_an_open_pull_request_or_a_label(setup: ActionsSetup) -> None:  # P11
    town = setup.world
    closed, broken = town.open_pull(), town.open_pull(label=False)
    await town.run_for(minutes=1)
    town.close_pull(closed)
    for number in (closed, 999):
        with refused(RefusalReason.UNKNOWN_PULL_REQUEST):
            await setup.actions.create_for_pull_request("acme/shop", number, "bob")
    with refused(RefusalReason.UNKNOWN_REPOSITORY):
        await setup.actions.create_for_pull_request("acme/pay", broken, "bob")
    town.forge.fail_next(ForgeRefused("the token may not change labels"), "add_label")
    with refused(RefusalReason.FORGE_ERROR, "may not change labels"):
        await setup.actions.create_for_pull_request("acme/shop", broken, "bob")
    town.forge.fail_next(ForgeUnavailable("it is down"), "pull")
    with pytest.raises(TemporarilyUnavailable):
        await setup.actions.create_for_pull_request("acme/shop", broken, "bob")
    setup.actions.pause("maintenance", "ada")
    with refused(RefusalReason.PAUSED):
        await setup.actions.create_for_pull_request("acme/shop", broken, "bob")
    assert town.forge.pull(town.shop, broken).labels == frozenset()


async def test_extend_postpones_the_expiry_in_the_stacks_tag(setup: ActionsSetup) -> None:  # L5
    town = setup.world
    number = town.open_pull()
    await town.run_for(minutes=1)
    view = town.view(number)
    assert view is not None
    assert view.expires_at is not None
    extended = await setup.actions.extend(view.name, 3600, "bob")
    await town.run_for(minutes=1)
    record = town.stack(number)
    assert record is not None
    assert record.tag is not None
    assert record.tag.extended_until == extended.expires_at
    assert extended.expires_at is not None
    assert timedelta(minutes=59) < extended.expires_at - view.expires_at <= timedelta(hours=1)


@pytest.mark.parametrize("seconds", [0, -1, -7200])
async def test_an_extension_that_is_not_positive_is_refused(setup: ActionsSetup, seconds: int) -> None:  # M1, L5
    town = setup.world
    number = town.open_pull()
    await town.run_for(minutes=1)
    with refused(RefusalReason.INVALID_TTL):
        await setup.actions.extend(f"acme/shop#{number}", seconds, "bob")
    await town.run_for(minutes=1)
    record = town.stack(number)
    assert record is not None
    assert record.tag is not None
    assert record.tag.extended_until is None


async def test_extend_is_refused_before_creation(setup: ActionsSetup) -> None:  # L5
    town = setup.world
    number = town.open_pull(from_fork=True)
    await town.run_for(minutes=1)
    with refused(RefusalReason.NOT_CREATED):
        await setup.actions.extend(f"acme/shop#{number}", 3600, "bob")


async def test_only_the_newest_commit_of_a_fork_can_be_approved(setup: ActionsSetup) -> None:
    """S2, pitfall 7: an approval is for one commit, and never for one that was pushed after it."""
    town = setup.world
    number = town.open_pull(by="mallory", from_fork=True)
    name, old = f"acme/shop#{number}", town.head(number)
    await town.run_for(minutes=1)
    new = town.push(number)
    await town.run_for(minutes=1)
    with refused(RefusalReason.NOT_NEWEST_COMMIT, new):
        await setup.actions.approve_commit(name, old, "ada")
    assert town.stacks.started == []
    await setup.actions.approve_commit(name, new, "ada")
    await town.run_for(minutes=1)
    assert (town.phase(number), town.running_commit(number)) == (Phase.READY, new)
    assert [event.actor for event in town.ledger.events(limit=99) if event.kind == "commit.approved"] == ["ada"]


async def test_approval_is_refused_without_a_fork_or_when_its_status_fails(setup: ActionsSetup) -> None:  # S2
    town = setup.world
    own, fork = town.open_pull("own"), town.open_pull("fork", from_fork=True)
    await town.run_for(minutes=1)
    with refused(RefusalReason.NOT_A_FORK):
        await setup.actions.approve_commit(f"acme/shop#{own}", town.head(own), "ada")
    town.forge.fail_next(ForgeRefused("the token may not write statuses"), "mark")
    with refused(RefusalReason.FORGE_ERROR, "may not write statuses"):
        await setup.actions.approve_commit(f"acme/shop#{fork}", town.head(fork), "ada")
    await town.run_for(minutes=1)
    assert town.phase(fork) is Phase.WAITING


async def test_keep_and_unkeep(setup: ActionsSetup) -> None:  # L5
    town = setup.world
    number = town.open_pull()
    name = f"acme/shop#{number}"
    await town.run_for(minutes=1)
    await setup.actions.keep(name, True, "ada")
    await town.run_for(minutes=1)
    record = town.stack(number)
    assert record is not None
    assert record.tag is not None
    assert record.tag.keep
    await town.skip_ahead(days=100)
    assert town.phase(number) is Phase.READY
    assert "doesn't expire" in town.comment(number)
    await setup.actions.keep(name, False, "ada")
    await town.run_for(minutes=1)
    assert town.stack(number) is None
    assert [event.actor for event in town.ledger.events(limit=99) if event.kind == "intent.unkeep"] == ["ada"]


async def test_keep_is_refused_before_creation(setup: ActionsSetup) -> None:  # L5
    number = setup.world.open_pull(from_fork=True)
    await setup.world.run_for(minutes=1)
    with refused(RefusalReason.NOT_CREATED):
        await setup.actions.keep(f"acme/shop#{number}", True, "bob")


async def test_a_branch_stays_down_until_up_or_a_push(setup: ActionsSetup) -> None:
    """P5, L3: it has no label to remove, so its commit is marked; `up` and a push recreate it."""
    town = setup.world
    triggers = "triggers: [{type: branch, branches: [main]}]\n"
    town.forge.push(town.shop, "main", {"eph.yaml": EPH_YAML + triggers})
    await town.run_for(minutes=1)
    view = await setup.actions.down("acme/shop@main", "bob")
    assert (view.phase, view.ref_name) == (Phase.READY, "main")
    await town.run_for(minutes=5)
    assert town.stacks.records == {}
    await setup.actions.up("acme/shop@main", "bob")
    await town.run_for(minutes=1)
    assert setup.actions.environment("acme/shop@main").phase is Phase.READY
    await setup.actions.down("acme/shop@main", "bob")
    await town.run_for(minutes=1)
    assert town.stacks.records == {}
    town.forge.push(town.shop, "main", {"text": "news"})
    await town.run_for(minutes=1)
    assert setup.actions.environment("acme/shop@main").phase is Phase.READY


async def test_up_retries_a_failed_environment_at_once(setup: ActionsSetup) -> None:  # P5, L5
    town = setup.world
    number = town.open_pull()
    town.stacks.fail(town.ref(number), "exit code 2", times=3)
    await town.run_for(minutes=1)
    assert town.phase(number) is Phase.FAILED
    await setup.actions.up(f"acme/shop#{number}", "bob")
    await town.run_for(seconds=1)
    assert town.phase(number) is Phase.READY


async def test_only_the_plan_on_hold_can_be_approved(setup: ActionsSetup) -> None:  # L7
    town = setup.world
    numbers = [town.open_pull(str(each)) for each in range(9)]
    await town.run_for(minutes=2)
    with refused(RefusalReason.PLAN_NOT_HELD, "abcdef"):
        await setup.actions.approve_plan("abcdef", "bob")
    for number in numbers[:6]:
        town.forge.vanish(town.shop, number)
    await town.run_for(minutes=2)
    plan = town.last_cycle.plan
    assert plan is not None
    with refused(RefusalReason.PLAN_NOT_HELD, plan.digest):
        await setup.actions.approve_plan("abcdef", "bob")
    assert len(town.stacks.records) == 9
    await setup.actions.approve_plan(plan.digest, "bob")
    await town.run_for(minutes=3)
    assert len(town.stacks.records) == 3


async def test_sweep_lists_leftovers_and_then_removes_them(setup: ActionsSetup) -> None:  # L7
    town = setup.world
    town.target.purge_error = "it is busy"
    town.target.leftovers.add("shop-old-name-100")
    await town.run_for(seconds=1)
    assert any("shop-old-name-100" in line for line in await setup.actions.sweep(True, "bob"))
    town.target.purge_error = ""
    town.now += timedelta(seconds=20)
    told = await setup.actions.sweep(False, "bob")
    assert all("shop-old-name-100" in line for line in told)
    await town.run_for(seconds=1)
    assert town.target.leftovers == set()
    assert await setup.actions.sweep(True, "bob") == []


async def test_unknown_names_are_reported(setup: ActionsSetup) -> None:  # P5
    town = setup.world
    number = town.open_pull()
    await town.run_for(minutes=1)
    view = town.view(number)
    assert view is not None
    for name in (view.name, str(view.ref), view.host, f"ACME/shop#{number}"):
        assert setup.actions.environment(name).ref == view.ref
    for name in ("", "acme/shop#99", "nothing"):
        with pytest.raises(EnvironmentNotFound):
            setup.actions.environment(name)


async def test_events_of_a_destroyed_environment_are_found_by_its_stack(setup: ActionsSetup) -> None:  # P5
    town = setup.world
    number = town.open_pull()
    await town.run_for(minutes=1)
    ref = town.ref(number)
    town.close_pull(number)
    await town.run_for(minutes=1)
    kinds = [event.kind for event in await setup.actions.events(str(ref), 0, 100, False)]
    assert kinds[0] == "environment.creating"
    assert kinds[-1] == "environment.destroyed"


class UnavailableLedger(MemoryLedger):
    def events(self, *_: object, **__: object) -> list[Event]:
        raise LedgerUnavailable("The event log at sqlite:///ledger.db cannot be read: the disk is gone.")


async def test_an_unavailable_event_log_is_a_503_and_breaks_nothing_else(setup: ActionsSetup) -> None:  # O1, P7
    town = setup.world
    number = town.open_pull()
    await town.run_for(minutes=1)
    setup.actions._history._ledger = UnavailableLedger()
    app = create_app(setup.actions, ApiSettings("1", tokens=(Token.from_secret(ADMIN, "ann", Role.ADMIN),)))
    transport = httpx.ASGITransport(app)
    headers = {"Authorization": f"Bearer {ADMIN}"}
    async with httpx.AsyncClient(transport=transport, base_url="http://eph", headers=headers) as client:
        events = await client.get("/api/v1/events")
        assert events.status_code == 503
        assert events.json()["error"]["code"] == "unavailable"
        assert "the disk is gone" in events.json()["error"]["message"]
        found = (await client.get("/api/v1/environments")).json()["items"]
        assert [item["number"] for item in found] == [number]
