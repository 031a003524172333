"""An audit and a sweep of a whole Eph in memory, its folders real: C2, L9, P5."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.runtime.auditing import Around, Auditor
from programs.holdings import Holding
from stacks import names
from stacks.backends import FileBackend
from stacks.fake import FakeStacks
from stacks.places import Places
from tests.stories.town import Target, Town


class Store(Target):
    """A target that tells its things apart. ``down`` when it cannot be asked."""

    def __init__(self, stacks: FakeStacks) -> None:
        super().__init__(stacks)
        self.things: list[Holding] = []
        self.down = False

    def holdings(self, _: Mapping[str, str]) -> list[Holding]:
        if self.down:
            raise ConnectionError("the database server does not answer")
        return list(self.things)

    def discard(self, holding: Holding, _: Mapping[str, str]) -> bool:
        self.things.remove(holding)
        return True


class Scene:
    def __init__(self, town: Town, folder: Path) -> None:
        self.town = town
        self.places = Places(*(folder / name for name in ("backend", "work", "operations", "pulumi", "passphrase")))
        self.places.prepare()
        self.target = Store(town.stacks)
        around = Around(
            shown=lambda: town.loop.shown,
            executor=town.executor,
            inventory=lambda: town.stacks,
            places=self.places,
            settings={"local": {}},
            target=lambda _: self.target,
        )
        self.auditor = Auditor(around)

    async def made(self) -> tuple[int, str]:
        """A pull request whose environment runs, its parts known to its state."""
        number = self.town.open()
        await self.town.live(minutes=1)
        record = self.town.stack(number)
        assert record is not None
        assert record.tag is not None
        name = record.tag.name
        parts = {f"Database:{name}/eph_db": "database-main"}
        self.town.stacks.records[record.ref] = replace(record, parts=parts)
        self.target.things.append(Holding("database", "eph_db", name, f"Database:{name}/eph_db", "DROP"))
        return number, name


@pytest.fixture
def scene(town: Town, tmp_path: Path) -> Scene:
    return Scene(town, tmp_path)


async def test_what_a_stack_accounts_for_is_clean(scene: Scene) -> None:  # C2
    await scene.made()
    found = await scene.auditor.audit()
    assert (found.orphans, found.unread) == ((), ())
    assert found.looked == {"stacks": 1, "local": 1, "beside the stacks": 0}


async def test_a_thing_that_the_living_stack_does_not_know_is_named_and_swept_alone(scene: Scene) -> None:  # C2, L9
    _, name = await scene.made()
    stray = Holding("database", "eph_stray", name, f"Database:{name}/eph_stray", 'psql -c "DROP"')
    lost = Holding("process", "4711 (python3)", name, "", "kill -9 4711", supported=False)
    scene.target.things += [stray, lost]
    found = await scene.auditor.audit()
    assert [(each.kind, each.name, each.whose, each.command) for each in found.orphans] == [
        ("database", "eph_stray", name, 'psql -c "DROP"'),
        ("process", "4711 (python3)", name, "kill -9 4711"),
    ]
    told = await scene.auditor.sweep()
    assert len(told) == 2
    assert all(line.startswith("removed local: ") for line in told)
    assert [thing.name for thing in scene.target.things] == ["eph_db"]
    assert (await scene.auditor.audit()).orphans == ()


async def test_a_whole_environment_that_nothing_stands_for_is_left_to_the_loop_and_its_guard(scene: Scene) -> None:
    """C2, L7"""
    gone = Holding("folder", "shop-lost-sea-77", "shop-lost-sea-77", "Home:shop-lost-sea-77")
    scene.target.things.append(gone)
    await scene.town.live(minutes=1)
    [orphan] = (await scene.auditor.audit()).orphans
    assert (orphan.whole, orphan.whose) == (True, "shop-lost-sea-77")
    [told] = await scene.auditor.sweep()
    assert told.startswith("the next cycle removes local: folder")
    assert scene.target.things == [gone]


async def test_nothing_is_an_orphan_while_somebody_works_on_it(scene: Scene) -> None:  # L6
    number, name = await scene.made()
    scene.target.things.append(Holding("checkout", f"{name}/new", name, f"Checkout:{name}/new"))
    ref = scene.town.hold(number)
    scene.town.push(number)
    await scene.town.live(seconds=5)
    assert ref in scene.town.executor.running
    assert (await scene.auditor.audit()).orphans == ()
    scene.town.release(ref)


async def test_what_was_not_looked_at_is_not_clean(scene: Scene) -> None:
    """C2: a failed look is never read as an empty one."""
    await scene.made()
    scene.target.down = True
    found = await scene.auditor.audit()
    assert [line for line in found.unread if "does not answer" in line]
    scene.target.down = False
    scene.town.stacks.incomplete = "the folder is not mounted"
    scene.target.things.append(Holding("folder", "x", "shop-lost-sea-77"))
    found = await scene.auditor.audit()
    assert found.orphans == ()
    assert "not all stacks could be read: the folder is not mounted" in found.unread


async def test_a_tag_file_a_record_and_a_folder_of_nobody_go_and_a_strangers_stay(scene: Scene) -> None:  # C2, L8
    number, _ = await scene.made()
    ours, theirs = names.stack_ref(8, "acme/shop", 99), scene.places.backend / ".pulumi/stacks/payroll"
    store = FileBackend(scene.places.backend)
    planted = [
        store.tag(ours),
        scene.places.work / ("0" * 32),
        scene.places.logs(ours) / "last.json",
        store.root / "locks/organization" / ours.project / ours.stack / "1.json",
    ]
    foreign = [theirs / "production.pulumi-tags", scene.places.operations / "notes" / "mine" / "a.txt"]
    kept = scene.places.logs(scene.town.ref(number)) / "last.json"
    for path in [*planted[:1], *planted[2:], *foreign, kept]:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{}")
    planted[1].mkdir()
    found = await scene.auditor.audit()
    assert {each.kind for each in found.orphans} == {"tag file", "work folder", "operation record", "lock"}
    [lock] = [each for each in found.orphans if each.kind == "lock"]
    assert not lock.swept, "nobody can tell whether its owner is dead"
    assert lock.command.startswith("rm -f ")
    await scene.auditor.sweep()
    assert [path.exists() for path in planted] == [False, False, False, True]
    assert all(path.exists() for path in [*foreign, kept])
