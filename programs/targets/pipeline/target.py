"""The pipeline target's entry point. Cheap to import: Pulumi is imported only by ``program``."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from programs.costs import CostEstimate, PriceList
from programs.exec_requests import JobRequest
from programs.kit import identifiers, machine_costs
from programs.kit.machine_costs import ReservedAmounts
from programs.kit.processes import supervisor
from programs.runtime_info import LogLines, LogRequest
from programs.spec import EnvironmentSpec, SuiteSpec
from programs.targets.pipeline import environments, publication, run_command, settings, task_logs
from programs.targets.pipeline.description import DESCRIPTION

VERSION = "pipeline-1"


class PipelineTarget:
    """DAGs on a shared Airflow; see ``programs.registry.Target``."""

    version = VERSION
    description = DESCRIPTION

    def program(self, spec: EnvironmentSpec) -> Callable[[], None]:
        identifiers.check_commit(spec.source.commit)

        def run() -> None:
            from programs.targets.pipeline.v1 import export_pipeline

            self.ensure(spec.settings)
            export_pipeline(spec, VERSION)

        return run

    def ensure(self, settings_: Mapping[str, str]) -> None:
        publication.ensure(settings.from_mapping(settings_))

    def stop(self, settings_: Mapping[str, str]) -> None:
        supervisor.stop(settings.from_mapping(settings_))

    def purge(self, name: str, settings_: Mapping[str, str]) -> None:
        environments.remove(settings.from_mapping(settings_), name)

    def list_environments(self, settings_: Mapping[str, str]) -> frozenset[str]:
        return environments.list_names(settings.from_mapping(settings_))

    def list_remaining(self, settings_: Mapping[str, str]) -> list[str]:
        return [f"pipeline {name}" for name in sorted(self.list_environments(settings_))]

    def logs(self, name: str, settings_: Mapping[str, str], request: LogRequest) -> LogLines:
        return task_logs.read(settings.from_mapping(settings_), name, request)

    def live_resources(self, settings_: Mapping[str, str]) -> Mapping[str, frozenset[str]]:
        return {"Pipeline": environments.list_complete(settings.from_mapping(settings_))}

    def job_command(self, name: str, settings_: Mapping[str, str], request: JobRequest) -> list[str]:
        return run_command.command_line(settings.from_mapping(settings_), name, request.job, request.parameters)

    def suite_command(self, spec: EnvironmentSpec, suite: SuiteSpec, env: Mapping[str, str]) -> list[str]:
        host = settings.from_mapping(spec.settings)
        return run_command.command_line(host, spec.name, suite.command.run, report=suite.name)

    def suite_report(self, spec: EnvironmentSpec, suite: SuiteSpec, max_bytes: int) -> bytes | None:
        return run_command.read_report(settings.from_mapping(spec.settings), spec.name, suite.name, max_bytes)

    def price_list(self, settings_: Mapping[str, str]) -> PriceList:
        return machine_costs.machine_prices()

    def prices(self, spec: EnvironmentSpec, settings_: Mapping[str, str], price_list: PriceList) -> CostEstimate:
        """Runs take what Airflow has, and only while they last, so only the price of a whole environment counts."""
        return machine_costs.estimate(price_list, ReservedAmounts(), sleeps=False)


TARGET = PipelineTarget()
