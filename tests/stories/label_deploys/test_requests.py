"""What a deploy under a label creates and refuses, and when it ends. Rows: M1, M2, M3, M5. Pitfalls 3, 17."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from orchestrator.core.views.phases import Phase
from orchestrator.forges.port import ForgeUnavailable
from orchestrator.ledger.fake import MemoryLedger
from orchestrator.service.port import EnvironmentNotFound, RefusalReason, RequestRefused, TemporarilyUnavailable
from stacks import keys
from stacks.model import OperationVerb, RefKind
from tests.service.change_requests import refused as refusal
from tests.stories.label_deploys.conftest import APP
from tests.worlds.eph_files import BAD_YAML, EPH_YAML
from tests.worlds.world import World

MAIN = "triggers:\n  - type: branch\n    branches: [main]\n"


def refused(error: pytest.ExceptionInfo[RequestRefused]) -> RefusalReason:
    return error.value.reason


async def test_a_branch_is_deployed_under_a_label_and_outlives_the_process(world: World) -> None:  # M1
    commit = world.branch("feat")
    deploy = await world.deploy("Feat/X", "feat")
    assert (deploy.label, deploy.host, deploy.commit, deploy.state) == (
        "feat-x",
        "feat-x.shop.localhost",
        commit,
        "pending",
    )
    await world.run_for(minutes=1)
    key = world.deploy_key("feat-x")
    assert (world.deploy_state(deploy), world.phase(key)) == ("deployed", Phase.READY)
    record = world.stack(key)
    assert record is not None
    assert record.tag is not None
    assert (record.tag.ref_name, record.tag.commit, record.tag.by) == ("feat-x", commit, "bob")
    assert (
        record.tag.extended_until
        == deploy.expires_at
        == (world.now - timedelta(minutes=1)).replace(microsecond=0) + timedelta(hours=24)
    )
    await world.crash()
    await world.run_for(minutes=10)
    assert (world.phase(key), world.running_commit(key)) == (Phase.READY, commit)


async def test_a_push_to_the_branch_does_not_move_a_deploy(world: World) -> None:  # M1
    commit = world.branch("feat")
    await world.deploy("feat-x", "feat")
    await world.run_for(minutes=1)
    world.branch("feat", {"text": "later"})
    await world.run_for(minutes=5)
    assert world.running_commit(world.deploy_key("feat-x")) == commit


async def test_the_git_host_sees_nothing_of_a_deploy(world: World) -> None:  # M1
    """No deployment record, no check, no commit status: the deploy is never the active version."""
    commit = world.branch("feat")
    await world.deploy("feat-x", "feat", ttl=timedelta(minutes=10))
    for span in (1, 15):
        await world.run_for(minutes=span)
        assert world.forge.deployments(world.shop) == {}
        assert world.forge.reports(world.shop, commit) == {}
        assert world.forge.decisions(world.shop, commit) == {}


async def test_the_active_version_stays_as_it_is(world: World) -> None:  # M1, M2
    """Deploying the very commit of the active version creates a second environment."""
    world.branch("main", {"eph.yaml": EPH_YAML + APP + MAIN})
    await world.run_for(minutes=2)
    active = keys.ref(world.shop.id, RefKind.BRANCH, "main")
    before, built = world.stack(active), len(world.stacks.started)
    assert before is not None
    assert before.built is not None
    assert before.built.url.startswith("http://shop.localhost")
    await world.deploy("copy", version=before.built.commit[:12])
    await world.run_for(minutes=2)
    await world.system.service.down(str(world.ref(world.deploy_key("copy"))), "bob")
    await world.run_for(minutes=2)
    assert world.stack(active) == before
    assert {each.ref for each in world.stacks.started[built:]} == {world.ref(world.deploy_key("copy"))}


@pytest.mark.parametrize("ttl", [0, -1, -3600, 7 * 86400 + 1])
async def test_a_ttl_outside_the_policy_is_refused(world: World, ttl: int) -> None:  # M1
    with pytest.raises(RequestRefused) as error:
        await world.deploy("feat-x", "feat", ttl=timedelta(seconds=ttl))
    assert refused(error) is RefusalReason.INVALID_TTL
    await world.run_for(minutes=2)
    assert world.deploys() == set()


async def test_an_extension_stays_within_the_policy(world: World) -> None:  # M1
    await world.deploy("feat-x", "feat", ttl=timedelta(days=6))
    await world.run_for(minutes=1)
    name = str(world.ref(world.deploy_key("feat-x")))
    await world.system.service.extend(name, 3600, "bob")
    for attempt in (world.system.service.extend(name, 2 * 86400, "bob"), world.system.service.keep(name, True, "bob")):
        with pytest.raises(RequestRefused):
            await attempt


@pytest.mark.parametrize("label", ["", "---", "www", "API", "main", "Main", "x" * 41, "é"])
async def test_an_invalid_or_reserved_label_is_refused(world: World, label: str) -> None:  # M1, M2
    with pytest.raises(RequestRefused) as error:
        await world.deploy(label, "feat")
    assert refused(error) is RefusalReason.INVALID_LABEL


async def test_a_label_that_shadows_a_real_host_is_refused(world: World) -> None:  # M2
    world.app_routes["beta.shop.localhost"] = "acme/other"
    await world.crash()
    await world.run_for(seconds=0)
    with pytest.raises(RequestRefused) as error:
        await world.deploy("beta", "feat")
    assert refused(error) is RefusalReason.HOST_TAKEN


async def test_a_route_of_another_repository_is_refused(world: World) -> None:  # M2, Y4
    world.branch("feat", {"eph.yaml": EPH_YAML + "app: {route: pay.localhost}\n"})
    with pytest.raises(RequestRefused, match="doesn't allow this route") as error:
        await world.deploy("feat-x", "feat")
    assert refused(error) is RefusalReason.INVALID_RECIPE


async def test_without_a_route_it_has_an_unguessable_host(world: World) -> None:  # M2, Y3
    world.branch("feat", {"eph.yaml": EPH_YAML})
    deploy = await world.deploy("feat-x", "feat")
    await world.run_for(minutes=1)
    view = world.view(world.deploy_key("feat-x"))
    assert view is not None
    assert deploy.host == view.host == f"{view.name}.localhost"


async def test_what_can_not_be_deployed_is_refused(world: World) -> None:
    fork = world.forge.push(world.shop, "stranger", {"text": "evil"})
    world.branch("broken", {"eph.yaml": BAD_YAML})
    for request, reason in (
        ({"ref": "nowhere"}, RefusalReason.UNKNOWN_VERSION),
        ({"ref": "*"}, RefusalReason.UNKNOWN_VERSION),
        ({"version": fork}, RefusalReason.UNKNOWN_VERSION),
        ({}, RefusalReason.UNKNOWN_VERSION),
        ({"ref": "feat", "version": fork}, RefusalReason.UNKNOWN_VERSION),
        ({"ref": "broken"}, RefusalReason.INVALID_RECIPE),
        ({"ref": "feat", "repository": "acme/pay"}, RefusalReason.UNKNOWN_REPOSITORY),
    ):
        with pytest.raises(RequestRefused) as error:
            await world.deploy("feat-x", **request)
        assert refused(error) is reason


async def test_an_approved_commit_of_a_fork_is_no_version(world: World) -> None:  # S2
    number = world.open_pull("stranger", by="eve", from_fork=True)
    await world.run_for(minutes=1)
    await world.system.service.approve_commit(str(world.ref(number)), world.head(number), "ada")
    await world.run_for(minutes=1)
    assert world.running_commit(number) == world.head(number)
    with pytest.raises(RequestRefused) as error:
        await world.deploy("feat-x", version=world.head(number))
    assert refused(error) is RefusalReason.UNKNOWN_VERSION


async def test_the_git_host_is_down(world: World) -> None:  # M5, L7
    world.forge.hide(world.shop)
    with pytest.raises(TemporarilyUnavailable):
        await world.deploy("feat-x", "feat")


async def test_before_the_first_cycle_nothing_is_unknown_or_gone(world: World) -> None:  # M5
    """Everything that looks up an environment, in any way."""
    await world.deploy("feat-x", "feat")
    await world.run_for(minutes=1)
    name = str(world.ref(world.deploy_key("feat-x")))
    await world.crash()
    service = world.system.service
    with pytest.raises(TemporarilyUnavailable):
        await world.deploy("feat-x", "feat")
    for look in (service.environments, lambda: service.environment(name), lambda: service.environment("nothing")):
        with pytest.raises(TemporarilyUnavailable):
            look()
    for read in (service.versions("acme/shop"), service.down(name, "bob"), service.events(name, 0, 10, False)):
        with pytest.raises(TemporarilyUnavailable):
            await read
    await world.run_for(minutes=1)
    assert service.environment(name).commit
    assert await service.versions("acme/shop")
    with pytest.raises(EnvironmentNotFound):
        service.environment("nothing")


async def test_a_version_whose_origin_can_not_be_read_is_not_denied(world: World) -> None:  # M5, S2
    """After a restart while the Git host is down, it isn't known that the commit isn't a fork's."""
    number = world.open_pull("a change")
    await world.run_for(minutes=1)
    commit = world.running_commit(number)
    world.forge.fail_next(ForgeUnavailable("503"), "pulls", count=99)
    await world.crash()
    await world.run_for(minutes=1)
    with pytest.raises(TemporarilyUnavailable):
        await world.deploy("feat-x", version=commit)
    with pytest.raises(RequestRefused) as error:
        await world.deploy("feat-x", version="0" * 40)
    assert refused(error) is RefusalReason.UNKNOWN_VERSION


async def test_it_is_collected_when_it_expires(world: World) -> None:  # M5
    await world.deploy("feat-x", "feat", ttl=timedelta(hours=1))
    await world.run_for(minutes=59)
    assert world.deploys() == {"feat-x"}
    await world.run_for(minutes=5)
    assert world.deploys() == set()
    await world.run_for(hours=1)
    assert world.deploys() == set()


async def test_the_next_cycle_is_in_the_second_of_its_expiry(world: World) -> None:  # M5
    """Not up to an interval later: on some targets, people reach it without Eph's gateway."""
    deploy = await world.deploy("feat-x", "feat", ttl=timedelta(minutes=10))
    await world.run_for(seconds=(deploy.expires_at - world.now).total_seconds() - 5)
    assert await world.run_cycle() == deploy.expires_at
    assert world.deploys() == {"feat-x"}
    await world.run_for(seconds=5)
    assert world.deploys() == set()


async def test_it_is_collected_while_the_git_host_is_incomplete(world: World) -> None:  # M5
    """The tag states the expiry, so nothing at the Git host can change it."""
    await world.deploy("feat-x", "feat", ttl=timedelta(hours=1))
    await world.run_for(minutes=30)
    world.forge.hide(world.shop)
    await world.run_for(minutes=35)
    assert world.deploys() == set()


async def test_a_failed_cleanup_keeps_the_record_and_is_retried(world: World) -> None:  # M5
    await world.deploy("feat-x", "feat", ttl=timedelta(hours=1))
    await world.run_for(minutes=59)
    world.stacks.fail(world.ref(world.deploy_key("feat-x")), "the disk is full", times=2, verb=OperationVerb.DESTROY)
    await world.run_for(minutes=1.2)
    assert world.deploys() == {"feat-x"}
    await world.run_for(minutes=10)
    assert world.deploys() == set()


async def test_an_expired_deploy_does_not_hide_a_new_one_of_the_same_label(world: World) -> None:  # M5
    await world.deploy("feat-x", "feat", ttl=timedelta(hours=1))
    await world.run_for(minutes=59)
    ref = world.hold(world.deploy_key("feat-x"))
    await world.run_for(minutes=5)
    assert world.phase(world.deploy_key("feat-x")) is Phase.DESTROYING
    newer = world.branch("feat", {"text": "again"})
    again = await world.deploy("feat-x", "feat")
    await world.run_for(minutes=1)
    world.release(ref)
    await world.run_for(minutes=2)
    assert (world.deploy_state(again), world.running_commit(world.deploy_key("feat-x"))) == ("deployed", newer)


async def test_a_token_creates_no_more_live_deploys_than_its_limit(world: World) -> None:  # P11
    """Those of its owner count, whoever that is: the tag doesn't say which token created it."""
    owner = "service:an-agent-with-a-name-that-the-tag-shortens"
    limited: dict[str, Any] = {"ref": "feat", "max_deploys": 2}
    await world.deploy("ada", "feat", by="ada")
    await world.deploy("other", "feat", by=f"{owner[:9]}")
    await world.deploy("one", by=owner, **limited)
    await world.deploy("two", by=owner, **limited)
    with refusal(RefusalReason.TOO_MANY_DEPLOYS):
        await world.deploy("three", by=owner, **limited)
    await world.run_for(minutes=2)
    await world.crash()
    await world.run_for(minutes=1)
    with refusal(RefusalReason.TOO_MANY_DEPLOYS):
        await world.deploy("three", by=owner, **limited)
    for label, by in (("one", owner), ("three", "ada")):
        await world.deploy(label, by=by, **limited)
    await world.system.service.down(str(world.ref(world.deploy_key("two"))), owner)
    await world.deploy("four", by=owner, **limited)
    await world.run_for(minutes=3)
    assert world.deploys() == {"ada", "other", "one", "three", "four"}


async def test_a_replaced_version_can_be_deployed_again(world: World) -> None:  # M6
    first = await world.deploy("feat-x", "feat")
    await world.run_for(minutes=1)
    world.branch("feat", {"text": "2"})
    await world.deploy("feat-x", "feat")
    await world.run_for(minutes=1)
    listed = [each for each in await world.system.service.versions("acme/shop") if each.kind == "replaced"]
    assert [each.commit for each in listed] == [first.commit]
    await world.deploy("again", version=listed[0].commit[:7])
    await world.run_for(minutes=1)
    assert world.running_commit(world.deploy_key("again")) == first.commit


async def test_versions_survive_the_loss_of_the_event_log(world: World) -> None:  # M6
    """Commits and times follow from the stacks; only who deployed a replaced one is in the log."""
    world.branch("main", {"eph.yaml": EPH_YAML + APP + MAIN})
    first = await world.deploy("feat-x", "feat")
    await world.run_for(minutes=2)
    newer = world.branch("feat", {"text": "2"})
    await world.deploy("feat-x", "feat")
    await world.run_for(minutes=2)
    found = await world.system.service.versions("acme/shop")
    seen = [(each.kind, each.label, each.commit) for each in found]
    assert [each[0] for each in seen] == ["active", "ephemeral", "replaced"]
    assert seen[1:] == [("ephemeral", "feat-x", newer), ("replaced", "feat-x", first.commit)]
    assert [each.by for each in found[1:]] == ["bob", "bob"]
    world.ledger = MemoryLedger()
    await world.crash()
    await world.run_for(minutes=1)
    again = await world.system.service.versions("acme/shop")
    assert [(each.kind, each.label, each.commit) for each in again] == seen
