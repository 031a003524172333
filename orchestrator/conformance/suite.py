"""What a target's author declares, and every check that follows from it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from orchestrator.conformance.capability_checks import CapabilityChecks
from orchestrator.conformance.commits import Commit
from orchestrator.conformance.description_checks import DescriptionChecks
from orchestrator.conformance.lifecycle_checks import LifecycleChecks
from orchestrator.conformance.recovery_checks import RecoveryChecks

__all__ = ["Commit", "TargetConformance"]


class TargetConformance(RecoveryChecks, CapabilityChecks, LifecycleChecks, DescriptionChecks):
    """Derive a test class from it and set ``target``, ``first``, ``second`` and ``broken``.

    ``first`` and ``second`` are commits whose pages differ; the update to ``broken`` must fail. ``settings`` is the
    target's table of eph.toml, ``images`` the images of environments by name, pinned by digest. No operation may take
    longer than ``operation_seconds``, and nothing that the loop reads each cycle longer than ``reading_seconds``. If
    environments can write to files on this machine, ``writable_folder`` says where. ``make_hostile`` does what else
    their code could do to delay others.
    """

    target: ClassVar[str]
    first: ClassVar[Commit]
    second: ClassVar[Commit]
    broken: ClassVar[Commit]
    settings: ClassVar[Mapping[str, Any]] = {}
    images: ClassVar[Mapping[str, str]] = {}
    operation_seconds: ClassVar[float] = 300.0
    reading_seconds: ClassVar[float] = 30.0
