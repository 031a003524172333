"""What is at an environment's address: a redirect to the project's URL, or a page with its outputs.

Visitors reach the project itself, wherever it runs; Eph's gateway checks who they are and sends them there.
"""

from __future__ import annotations

from typing import Any

from programs.kit import address_pages
from programs.kit.address_pages import AddressPage
from programs.kit.record_environments import RecordEnvironments
from programs.targets.program import settings
from programs.targets.program.project_outputs import ProjectAddresses
from programs.targets.program.settings import ProgramHost

TARGET_NAME = "program"
SERVICE = "web"


def publish(host: ProgramHost, name: str, props: Any, found: ProjectAddresses, plan: str) -> None:
    page = AddressPage(name, found.location, {**found.urls, **found.shown}, plan)
    address_pages.publish(host, host.pages, page, props, service=SERVICE, target=TARGET_NAME, sole=False)


def remove(host: ProgramHost, name: str) -> None:
    _environments(host).remove(name)


def list_names(host: ProgramHost) -> frozenset[str]:
    return _environments(host).list_names()


def list_complete(host: ProgramHost) -> frozenset[str]:
    """The environments whose address answers."""
    found = _environments(host)
    return found.list_routed() & frozenset(found.records.values())


def _environments(host: ProgramHost) -> RecordEnvironments:
    return RecordEnvironments(host, settings.run_host(host), TARGET_NAME, address_pages.list_records(host.pages))
