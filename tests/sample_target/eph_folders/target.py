"""What the entry point names. Pulumi is imported only when a program runs."""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping
from decimal import Decimal

from programs.costs import CostEstimate, CostSheet, PriceItem, PriceList
from programs.inventory import HeldResource
from programs.registry import ENVIRONMENT_INPUT, TARGET_INPUT, TargetDescription
from programs.runtime_info import LogLines, LogRequest
from programs.spec import EnvironmentSpec

from . import config, environments

VERSION = "folders-1"
DESCRIPTION = TargetDescription(
    title="The target `folders`.",
    settings_model=config.FoldersSettings,
    section_model=config.FoldersSection,
    problems=config.problems,
    notices=config.notices,
)


class FoldersTarget:
    version = VERSION
    description = DESCRIPTION

    def program(self, spec: EnvironmentSpec) -> Callable[[], None]:
        text = f"{spec.settings['greeting']}, {spec.options['page']}"
        if len(text) > int(spec.settings["max_length"]):
            raise ValueError(f"The page has {len(text)} characters. This server allows {spec.settings['max_length']}.")

        def run() -> None:
            from programs.outputs import OutputExporter

            from .v1 import Folder

            props = {
                ENVIRONMENT_INPUT: spec.name,
                TARGET_INPUT: spec.target,
                "settings": {key: spec.settings[key] for key in ("root", "routes")},
                "host": spec.host,
                "commit": spec.source.commit,
                "text": text,
                "port": _free_port(),
            }
            made = Folder("folder", props)
            url = spec.settings["url"].format(host=spec.host)
            OutputExporter({"page": url}, {}, "", ()).export(spec, VERSION, made.at)

        return run

    def purge(self, name: str, settings: Mapping[str, str]) -> None:
        environments.remove(settings, name)

    def list_environments(self, settings: Mapping[str, str]) -> frozenset[str]:
        return environments.list_names(settings)

    def ensure(self, settings: Mapping[str, str]) -> None:
        environments.pages(settings).mkdir(parents=True, exist_ok=True)

    def list_remaining(self, settings: Mapping[str, str]) -> list[str]:
        return [f"folder {environments.folder(settings, name)}" for name in sorted(self.list_environments(settings))]

    def stop(self, settings: Mapping[str, str]) -> None:
        for name in self.list_environments(settings):
            environments.stop(settings, name)

    def logs(self, name: str, settings: Mapping[str, str], request: LogRequest) -> LogLines:
        return LogLines((f"serves {environments.read_page(settings, name)!r}",))

    def sleep(self, name: str, settings: Mapping[str, str]) -> None:
        environments.mark_asleep(settings, name, asleep=True)
        environments.stop(settings, name)

    def wake(self, name: str, settings: Mapping[str, str], wait: bool = True) -> None:
        environments.start(settings, name)
        environments.mark_asleep(settings, name, asleep=False)

    def live_resources(self, settings: Mapping[str, str]) -> Mapping[str, frozenset[str]]:
        return {"Folder": self.list_environments(settings)}

    def list_resources(self, settings: Mapping[str, str]) -> list[HeldResource]:
        return [
            HeldResource("folder", name, name, f"Folder:{name}", f"rm -r {environments.folder(settings, name)}")
            for name in sorted(self.list_environments(settings))
        ]

    def delete_resource(self, resource: HeldResource, settings: Mapping[str, str]) -> bool:
        environments.remove(settings, resource.name)
        return True

    def price_list(self, settings: Mapping[str, str]) -> PriceList:
        server = PriceItem("server", "hour", Decimal("0.01"), "https://folders.test/prices", "2026-01-31")
        return PriceList((server, PriceItem("archive", "month")))

    def prices(self, spec: EnvironmentSpec, settings: Mapping[str, str], price_list: PriceList) -> CostEstimate:
        sheet = CostSheet(price_list)
        sheet.add("page server", "server", 1)
        sheet.add("page", "archive", 1, asleep=True)
        return sheet.estimate()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


TARGET = FoldersTarget()
