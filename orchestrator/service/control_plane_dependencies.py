"""What the service is composed of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from orchestrator.config.variable_vault import VariableVault
from orchestrator.forges.port import Forge
from orchestrator.ledger.port import Ledger
from orchestrator.runtime.clock import Clock
from orchestrator.runtime.cycles import Cycles
from orchestrator.runtime.facts.destroys import DestroyApprovals
from orchestrator.runtime.facts.intents import PendingIntents
from orchestrator.runtime.leadership import Leadership
from orchestrator.runtime.operations.executor import PlanExecutor
from orchestrator.runtime.operations.journal import Journal
from orchestrator.runtime.server.pause_file import PauseFile
from orchestrator.runtime.suites.suite_runner import SuiteRunner
from orchestrator.runtime.wakeups import Wakeups
from orchestrator.service.changes.build_caches import BuildCaches
from orchestrator.service.changes.problem_reports import RenderProblem
from orchestrator.service.changes.pull_request_labels import TriggerLabels
from orchestrator.service.deploys.label_deploy_service import LabelDeployService
from orchestrator.service.exec.exec_sessions import ExecSessions
from orchestrator.service.reports.auditor import Auditor
from orchestrator.service.reports.cost_reporter import CostReporter
from programs.registry import Target
from stacks.executors.port import Executor


@dataclass(slots=True)
class ControlPlaneDependencies:
    """Everything that the service uses."""

    version: str
    started_at: datetime
    auditor: Auditor
    label_deploys: LabelDeployService
    exec_sessions: ExecSessions
    suite_runner: SuiteRunner
    cycles: Cycles
    executor: PlanExecutor
    intents: PendingIntents
    approvals: DestroyApprovals
    journal: Journal
    wakeups: Wakeups
    forge: Forge
    ledger: Ledger
    operations: Executor
    target: Callable[[str], Target]
    target_settings: Mapping[str, Mapping[str, str]]
    clock: Clock
    leadership: Leadership
    costs: CostReporter
    variables: VariableVault
    build_caches: BuildCaches
    pause: PauseFile
    render_problem: RenderProblem
    trigger_labels: TriggerLabels
    redact: Callable[[str], str]
    """Removes secret values from the output of previews."""
