"""What a System is composed of from outside: ``Ports`` are the outsides, ``Options`` the decisions of the settings."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

from orchestrator.core.model.policy import DeployLimits, Policy
from orchestrator.forges.port import Forge
from orchestrator.images.port import Registries
from orchestrator.images.registry_policy import RegistryPolicy
from orchestrator.ledger.cost_store import CostStore
from orchestrator.ledger.fake import MemoryCosts
from orchestrator.ledger.lease import Lease
from orchestrator.ledger.port import Ledger
from orchestrator.runtime.clock import Clock
from orchestrator.runtime.cycles import CycleListener
from orchestrator.runtime.observation.health_monitor import Probe, SleepFunction
from orchestrator.runtime.ports import ManagedGateway, Memory, Traffic
from orchestrator.runtime.server.pause_file import PauseFile
from orchestrator.runtime.wakeups import Wakeups
from orchestrator.service.reports.pending_reports import PendingReports
from orchestrator.sources.factory import SourcesFactory, create_sources
from orchestrator.sources.recipe_reader import ServerRules
from programs.kit.git.uploads import UploadStore
from programs.registry import Target
from programs.spec import EnvironmentSpec
from stacks.backends.port import Inventory
from stacks.executors.port import Executor
from stacks.stray_files import HoldsStrayFiles


@dataclass(frozen=True, slots=True)
class Ports:
    """Each has a fake, so that tests compose a whole Eph in memory. ``listeners`` are called after every cycle of a
    leader, before Eph's own."""

    forge: Forge
    inventory: Inventory
    create_inventory: Callable[[], Inventory]
    """A second reading beside the loop's, for audits."""
    operations: Executor
    target: Callable[[str], Target]
    registries: Callable[[RegistryPolicy], Registries]
    ledger: Ledger
    lease: Lease
    probe: Probe
    gateway: ManagedGateway
    traffic: Traffic
    memory: Memory
    clock: Clock
    sources: SourcesFactory = create_sources
    """What requests environments."""
    create_folders: Callable[[], None] = lambda: None
    """Called before everything else. Blocks."""
    sleep: SleepFunction = asyncio.sleep
    """Waits between two health checks."""
    wakeups: Wakeups = field(default_factory=Wakeups)
    pause: PauseFile = field(default_factory=PauseFile)
    pending_reports: PendingReports = field(default_factory=PendingReports)
    stores: Sequence[HoldsStrayFiles] = ()
    """Where an audit looks for stray files."""
    listeners: Sequence[CycleListener] = ()
    uploads: UploadStore | None = None
    """None: working copies can't be deployed."""
    costs: CostStore = field(default_factory=MemoryCosts)
    """What environments have cost so far."""


@dataclass(frozen=True, slots=True)
class Options:
    """``image_access``: by target that runs images, which registries it may use. ``address`` is this replica's URL."""

    version: str
    policy: Policy
    rules: ServerRules
    targets: Mapping[str, Mapping[str, str]]
    """The settings of each target, by its name."""
    records: Path
    """The folder for the results of test suites, beside what the executor keeps of each stack."""
    image_access: Mapping[str, RegistryPolicy]
    interval: timedelta
    deadline: timedelta
    max_refs: int
    suite_slots: int
    suite_token: Callable[[EnvironmentSpec], str]
    """The preview token that a test suite gets; empty if it needs none."""
    address: str = ""
    exec_timeout: timedelta = timedelta(hours=1)
    """How long a person's command may run in an environment."""
    deploys: DeployLimits = field(default_factory=DeployLimits)
    """The limits of label deploys."""
    prices: Mapping[str, Mapping[str, Decimal]] = field(default_factory=dict)
    """The operator's prices, by target and item."""
    prices_folder: Path | None = None
    """Where downloaded prices are kept."""
    output_file: Path | None = None
    """Where the gateway's pages find the output of running operations. None: they show none."""
