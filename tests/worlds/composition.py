"""Everything that ``compose`` needs, in memory. Each world replaces some of it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

from orchestrator.app.ports import Options, Ports
from orchestrator.config.eph_yaml.admission import AdmissionPolicy
from orchestrator.core.model.policy import Policy
from orchestrator.forges.fake import FakeForge
from orchestrator.images.fake import FakeRegistries
from orchestrator.ledger.fake import MemoryLedger
from orchestrator.ledger.lease import NoLease
from orchestrator.runtime.clock import Clock
from orchestrator.runtime.fake import FakeGateway, FakeMemory, FakeTraffic
from orchestrator.sources.factory import MAX_REFS
from orchestrator.sources.recipe_reader import ServerRules
from programs.fake import FakeTarget
from stacks.backends.fake import FakeBackend
from stacks.backends.inventory import StackInventory
from stacks.executors.fake import FakeExecutor

INTERVAL = timedelta(seconds=30)
NO_FOLDER = Path("no-such-folder")


async def answers_well(origin: str, path: str) -> tuple[bool, str]:
    return True, f"{path} answered 200"


def fake_ports(clock: Clock) -> Ports:
    inventory, registries, target = StackInventory(FakeBackend()), FakeRegistries(), FakeTarget()
    return Ports(
        forge=FakeForge(clock),
        inventory=inventory,
        create_inventory=lambda: inventory,
        operations=FakeExecutor(),
        target=lambda _: target,
        registries=lambda _: registries,
        ledger=MemoryLedger(),
        lease=NoLease(),
        probe=answers_well,
        gateway=FakeGateway(),
        traffic=FakeTraffic(),
        memory=FakeMemory(),
        clock=clock,
    )


def fake_options(policy: Policy, targets: Mapping[str, Mapping[str, str]]) -> Options:
    """All ``targets`` are installed and allowed."""
    names = frozenset(targets)
    bounds = AdmissionPolicy(installed_targets=names, allowed_targets=names)
    return Options(
        version="1",
        policy=policy,
        rules=ServerRules(bounds, b"k" * 32, "localhost", targets),
        targets=targets,
        records=NO_FOLDER,
        image_access={},
        interval=INTERVAL,
        deadline=timedelta(minutes=10),
        max_refs=MAX_REFS,
        suite_slots=2,
        suite_token=lambda _: "",
        address="http://here",
    )
