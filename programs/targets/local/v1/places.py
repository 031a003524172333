"""The environment's folder, the checkout of a generation, and the ports of its services."""

from __future__ import annotations

import sys
from typing import ClassVar

from programs.kit import files, identifiers
from programs.kit.errors import CheckoutTooLarge, TargetError
from programs.kit.git import checkouts
from programs.kit.identifiers import ProgramName
from programs.kit.processes import ports, sandbox
from programs.targets.local import cleanup
from programs.targets.local.settings import LocalSettings
from programs.targets.local.v1.base import Props, Provider, folder, place


class HomeProvider(Provider):
    """Created first and removed last. No earlier resource can use the name, so existing leftovers are removed."""

    def make(self, on: LocalSettings, props: Props) -> Props:
        cleanup.purge(on, props["environment"])
        files.make_folder(folder(on, props))
        files.make_folder(folder(on, props) / "home" / "tmp")
        sandbox.grant_access(on, folder(on, props) / "home")
        return {}

    def unmake(self, on: LocalSettings, props: Props) -> None:
        cleanup.purge(on, props["environment"])


class CheckoutProvider(Provider):
    replaced_by: ClassVar[tuple[str, ...]] = ("root", "environment", "generation")
    kept: ClassVar[tuple[str, ...]] = ("commit",)

    def make(self, on: LocalSettings, props: Props) -> Props:
        try:
            notes = checkouts.create(on, (props["clone_url"], props["commit"]), place(on, props).checkout)
        except CheckoutTooLarge as error:
            raise TargetError(f"{error.sentence} (setting local.checkout_bytes)", error.tail) from error
        for note in notes:
            sys.stderr.write(f"{note}\n")
        return {}

    def unmake(self, on: LocalSettings, props: Props) -> None:
        files.remove(place(on, props).checkout)

    def exists(self, on: LocalSettings, props: Props) -> bool:
        return place(on, props).checkout.exists()


class PortsProvider(Provider):
    """Reserves all ports of a generation before its services start, so that services know each other's ports."""

    replaced_by: ClassVar[tuple[str, ...]] = ("root", "environment", "generation")
    kept: ClassVar[tuple[str, ...]] = ("services",)

    def make(self, on: LocalSettings, props: Props) -> Props:
        return {"ports": {name: ports.reserve(on, _owner(props, name)) for name in props["services"]}}

    def unmake(self, on: LocalSettings, props: Props) -> None:
        ports.release(on, {_owner(props, name) for name in props["services"]})

    def exists(self, on: LocalSettings, props: Props) -> bool:
        taken = {owner for _, owner in ports.list_reserved(on)}
        return all(_owner(props, name) in taken for name in props["services"])


def _owner(props: Props, service: str) -> str:
    identifiers.check_label(service, "service")
    return str(ProgramName(props["environment"], service, props["generation"]))
