"""The AWS target's entry point. Cheap to import: Pulumi and boto3 are imported only by what uses them.

``program`` resolves everything before it returns: limits, images and what the settings refer to. So mistakes are found
before anything is applied, and what is running stays unchanged.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from programs.costs import CostEstimate, PriceList, PublishedPrices
from programs.installation import InstallationOptions, InstallationPlan
from programs.inventory import HeldResource
from programs.registry import Download
from programs.runtime_info import LogLines, LogRequest
from programs.screenshots import Screenshots
from programs.spec import EnvironmentSpec, SuiteSpec
from programs.targets.aws import settings, spec_checks, wording

if TYPE_CHECKING:
    from programs.targets.aws.api.clients import AwsClients

from programs.targets.aws.description import DESCRIPTION

VERSION = "aws-2"


class AwsTarget:
    """Environments as tagged resources of one account and region; see ``programs.registry.Target``."""

    version = VERSION
    description = DESCRIPTION

    def program(self, spec: EnvironmentSpec) -> Callable[[], None]:
        from programs.targets.aws.api import existing_parts

        aws_settings = settings.from_mapping(spec.settings)
        spec_checks.check(spec, aws_settings)
        shared = existing_parts.look_up(_clients(spec.settings), spec.databases)

        def run() -> None:
            from programs.targets.aws.program import aws_program
            from programs.targets.aws.program.environment import AwsEnvironment

            aws_program.build(AwsEnvironment(spec, aws_settings, shared, VERSION))

        return run

    def ensure(self, settings_: Mapping[str, str]) -> None:
        """Environments share nothing that Eph starts."""

    def stop(self, settings_: Mapping[str, str]) -> None:
        """Stops what test suites share; nothing else runs next to ephd."""
        from programs.targets.aws import suite_sandbox

        suite_sandbox.stop(settings.from_mapping(settings_))

    def purge(self, name: str, settings_: Mapping[str, str]) -> None:
        from programs.targets.aws import suite_sandbox
        from programs.targets.aws.api import removal

        removal.purge(_clients(settings_), name)
        suite_sandbox.remove(settings.from_mapping(settings_), name)

    def remove_unrecorded(self, name: str, settings_: Mapping[str, str], recorded: frozenset[str]) -> bool:
        from programs.targets.aws.api import unrecorded

        return unrecorded.remove(_clients(settings_), name, recorded)

    def list_environments(self, settings_: Mapping[str, str]) -> frozenset[str]:
        from programs.targets.aws import suite_sandbox
        from programs.targets.aws.api import inventory

        folders = {path.name for path in suite_sandbox.list_folders(settings.from_mapping(settings_))}
        found = {item.environment for item in inventory.list_all(_clients(settings_)) if item.environment}
        return frozenset(found | folders)

    def list_remaining(self, settings_: Mapping[str, str]) -> list[str]:
        from programs.targets.aws import suite_sandbox
        from programs.targets.aws.api import inventory

        found = [f"{item.kind} {item.name} ({item.environment})" for item in inventory.list_all(_clients(settings_))]
        folders = suite_sandbox.list_folders(settings.from_mapping(settings_))
        return [*found, *(wording.remaining_folder(path) for path in folders)]

    def list_resources(self, settings_: Mapping[str, str]) -> list[HeldResource]:
        from programs.targets.aws.api import inventory

        return inventory.list_held(_clients(settings_))

    def delete_resource(self, resource: HeldResource, settings_: Mapping[str, str]) -> bool:
        from programs.targets.aws.api import inventory, removal

        clients = _clients(settings_)
        clients.check_account()
        for item in inventory.list_environment(clients, resource.environment):
            if (item.kind, item.name) == (resource.kind, resource.name):
                return removal.remove(clients, item)
        return True

    def logs(self, name: str, settings_: Mapping[str, str], request: LogRequest) -> LogLines:
        from programs.targets.aws.api import log_reader

        return log_reader.read(_clients(settings_), name, request)

    def suite_command(self, spec: EnvironmentSpec, suite: SuiteSpec, env: Mapping[str, str]) -> list[str]:
        from programs.targets.aws import suite_sandbox

        return suite_sandbox.command_line(settings.from_mapping(spec.settings), spec, suite, env)

    def suite_report(self, spec: EnvironmentSpec, suite: SuiteSpec, max_bytes: int) -> bytes | None:
        from programs.targets.aws import suite_sandbox

        return suite_sandbox.read_report(settings.from_mapping(spec.settings), spec, suite, max_bytes)

    def suite_screenshots(self, spec: EnvironmentSpec, suite: SuiteSpec, since: float) -> Screenshots:
        from programs.targets.aws import suite_sandbox

        return suite_sandbox.read_screenshots(settings.from_mapping(spec.settings), spec, suite, since)

    def sleep(self, name: str, settings_: Mapping[str, str]) -> None:
        from programs.targets.aws.api import sleep

        sleep.sleep(_clients(settings_), name)

    def wake(self, name: str, settings_: Mapping[str, str], wait: bool = True) -> None:
        from programs.targets.aws.api import sleep

        sleep.wake(_clients(settings_), name, wait)

    def set_expiry(self, name: str, settings_: Mapping[str, str], expires_at: datetime | None) -> None:
        from programs.targets.aws.api import expiry

        expiry.write(_clients(settings_), name, expires_at)

    def price_list(self, settings_: Mapping[str, str]) -> PriceList:
        from programs.targets.aws.pricing import price_data

        return price_data.shipped_prices(settings_.get("region", ""))

    def prices(self, spec: EnvironmentSpec, settings_: Mapping[str, str], price_list: PriceList) -> CostEstimate:
        from programs.targets.aws.pricing import cost_estimate

        return cost_estimate.estimate(spec, settings.from_mapping(settings_), price_list)

    def resource_prices(
        self, resources: Sequence[HeldResource], settings_: Mapping[str, str], price_list: PriceList
    ) -> Mapping[HeldResource, Decimal]:
        from programs.targets.aws.pricing import resource_prices

        return resource_prices.hourly_prices(_clients(settings_), resources, price_list)

    def download_prices(self, settings_: Mapping[str, str], download: Download) -> PublishedPrices:
        from programs.targets.aws.pricing import price_api

        return price_api.download_prices(settings.from_mapping(settings_), download)

    @property
    def installation_options(self) -> type[InstallationOptions]:
        from programs.targets.aws.foundation.installation import AwsInstallationOptions

        return AwsInstallationOptions

    def installation(self, options: InstallationOptions) -> InstallationPlan:
        from programs.targets.aws.foundation import installation

        return installation.prepare(options)


def _clients(settings_: Mapping[str, str]) -> AwsClients:
    from programs.targets.aws.api import clients

    return clients.shared(settings.from_mapping(settings_))


TARGET = AwsTarget()
