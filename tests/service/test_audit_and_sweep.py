"""An audit and a sweep of a whole Eph in memory, its folders real: C2, L9, P5."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from programs.costs import PriceList
from programs.inventory import HeldResource
from stacks import keys, names
from stacks.executors.fake import FakeExecutor
from tests.stack_folders import file_backend, operation_folder, records_of
from tests.worlds.fake_machine import FakeMachine
from tests.worlds.world import World


class InventoryTarget(FakeMachine):
    """A target that tells its things apart. ``unreachable`` when it cannot be asked."""

    def __init__(self, stacks: FakeExecutor) -> None:
        super().__init__(stacks)
        self.resources: list[HeldResource] = []
        self.unreachable = False
        self.prices: dict[HeldResource, Decimal] = {}
        self.prices_fail = False

    def resource_prices(
        self, resources: Sequence[HeldResource], _: Mapping[str, str], _prices: PriceList
    ) -> dict[HeldResource, Decimal]:
        if self.prices_fail:
            raise ConnectionError("the price list does not answer")
        return {item: self.prices[item] for item in resources if item in self.prices}

    def list_resources(self, _: Mapping[str, str]) -> list[HeldResource]:
        if self.unreachable:
            raise ConnectionError("the database server does not answer")
        return list(self.resources)

    def delete_resource(self, resource: HeldResource, _: Mapping[str, str]) -> bool:
        self.resources.remove(resource)
        return True


class AuditSetup:
    def __init__(self, folder: Path) -> None:
        self.world = World(folder=folder)
        self.settings = self.world.worker
        self.settings.create_folders()
        self.target = InventoryTarget(self.world.stacks)
        self.world.targets["local"] = self.target
        self.auditor = self.world.system.auditor

    async def create_environment(self) -> tuple[int, str]:
        """A pull request whose environment runs, its parts known to its state."""
        number = self.world.open_pull()
        await self.world.run_for(minutes=1)
        record = self.world.stack(number)
        assert record is not None
        assert record.tag is not None
        name = record.tag.name
        parts = {f"Database:{name}/eph_db": "database-main"}
        self.world.stacks.records[record.ref] = replace(record, resource_names=parts)
        self.target.resources.append(HeldResource("database", "eph_db", name, f"Database:{name}/eph_db", "DROP"))
        return number, name


@pytest.fixture
async def audit_setup(tmp_path: Path) -> AsyncIterator[AuditSetup]:
    made = AuditSetup(tmp_path)
    yield made
    await made.world.close()


async def test_audit_is_clean_when_the_stack_owns_every_resource(audit_setup: AuditSetup) -> None:  # C2
    await audit_setup.create_environment()
    found = await audit_setup.auditor.audit()
    assert (found.orphans, found.unread) == ((), ())
    assert found.checked == {"stacks": 1, "local": 1, "other files": 0}


async def test_unknown_resource_of_a_live_stack_is_reported_and_swept(audit_setup: AuditSetup) -> None:  # C2, L9
    _, name = await audit_setup.create_environment()
    stray = HeldResource("database", "eph_stray", name, f"Database:{name}/eph_stray", 'psql -c "DROP"')
    lost = HeldResource("process", "4711 (python3)", name, "", "kill -9 4711", is_supervised=False)
    audit_setup.target.resources += [stray, lost]
    found = await audit_setup.auditor.audit()
    assert [(each.kind, each.name, each.environment, each.command) for each in found.orphans] == [
        ("database", "eph_stray", name, 'psql -c "DROP"'),
        ("process", "4711 (python3)", name, "kill -9 4711"),
    ]
    told = await audit_setup.auditor.sweep()
    assert len(told) == 2
    assert all(line.startswith("removed local: ") for line in told)
    assert [thing.name for thing in audit_setup.target.resources] == ["eph_db"]
    assert (await audit_setup.auditor.audit()).orphans == ()


async def test_orphans_have_a_cost_where_the_target_knows_one(audit_setup: AuditSetup) -> None:
    """C2, P10: unknown where no price is known, and an audit doesn't fail with its prices."""
    _, name = await audit_setup.create_environment()
    database = HeldResource("database", "eph_stray", name, f"Database:{name}/eph_stray", "DROP")
    bucket = HeldResource("bucket", "files", name, f"Bucket:{name}/files", "rb")
    audit_setup.target.resources += [database, bucket]
    audit_setup.target.prices[database] = Decimal("0.5")
    costs = {each.kind: (each.priced, each.daily_cost) for each in (await audit_setup.auditor.audit()).orphans}
    assert costs == {"database": (True, Decimal(12)), "bucket": (True, None)}
    audit_setup.target.prices_fail = True
    costs = {each.kind: (each.priced, each.daily_cost) for each in (await audit_setup.auditor.audit()).orphans}
    assert costs == {"database": (True, None), "bucket": (True, None)}


async def test_orphaned_environment_is_left_to_the_guarded_loop(audit_setup: AuditSetup) -> None:
    """C2, L7"""
    gone = HeldResource("folder", "shop-lost-sea-77", "shop-lost-sea-77", "Home:shop-lost-sea-77")
    audit_setup.target.resources.append(gone)
    await audit_setup.world.run_for(minutes=1)
    [orphan] = (await audit_setup.auditor.audit()).orphans
    assert (orphan.whole_environment, orphan.environment) == (True, "shop-lost-sea-77")
    [told] = await audit_setup.auditor.sweep()
    assert told.startswith("the next cycle removes local: folder")
    assert audit_setup.target.resources == [gone]


async def test_resources_under_operation_are_not_orphans(audit_setup: AuditSetup) -> None:  # L6
    number, name = await audit_setup.create_environment()
    audit_setup.target.resources.append(HeldResource("checkout", f"{name}/new", name, f"Checkout:{name}/new"))
    ref = audit_setup.world.hold(number)
    audit_setup.world.push(number)
    await audit_setup.world.run_for(seconds=5)
    assert ref in audit_setup.world.executor.running
    assert (await audit_setup.auditor.audit()).orphans == ()
    audit_setup.world.release(ref)


async def test_unreadable_target_is_not_reported_clean(audit_setup: AuditSetup) -> None:
    """C2: a failed look is never read as an empty one."""
    await audit_setup.create_environment()
    audit_setup.target.unreachable = True
    found = await audit_setup.auditor.audit()
    assert [line for line in found.unread if "does not answer" in line]
    audit_setup.target.unreachable = False
    audit_setup.world.stacks.backend.incomplete = "the folder is not mounted"
    audit_setup.target.resources.append(HeldResource("folder", "x", "shop-lost-sea-77"))
    found = await audit_setup.auditor.audit()
    assert found.orphans == ()
    assert "not all stacks could be read: the folder is not mounted" in found.unread


async def test_sweep_removes_our_orphaned_files_and_keeps_foreign_ones(audit_setup: AuditSetup) -> None:  # C2, L8
    number, _ = await audit_setup.create_environment()
    store = file_backend(audit_setup.settings)
    ours, theirs = names.stack_ref(keys.pull_request(8, 99), "acme/shop"), store.folder / ".pulumi/stacks/payroll"
    planted = [
        store.tag_file(ours),
        audit_setup.settings.work / ("0" * 32),
        operation_folder(audit_setup.settings, ours) / "last.json",
        store.root / "locks/organization" / ours.project / ours.stack / "1.json",
    ]
    foreign = [theirs / "production.pulumi-tags", records_of(audit_setup.settings) / "notes" / "mine" / "a.txt"]
    kept = operation_folder(audit_setup.settings, audit_setup.world.ref(number)) / "last.json"
    for path in [*planted[:1], *planted[2:], *foreign, kept]:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{}")
    planted[1].mkdir()
    found = await audit_setup.auditor.audit()
    assert {each.kind for each in found.orphans} == {"tag file", "work folder", "operation record", "lock"}
    [lock] = [each for each in found.orphans if each.kind == "lock"]
    assert not lock.sweepable, "nobody can tell whether its owner is dead"
    assert lock.command.startswith("rm -f ")
    await audit_setup.auditor.sweep()
    assert [path.exists() for path in planted] == [False, False, False, True]
    assert all(path.exists() for path in [*foreign, kept])
