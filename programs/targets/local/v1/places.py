"""The environment's folder, the checkout of a generation, and the ports of its services."""

from __future__ import annotations

from typing import ClassVar

from programs import steps
from programs.kit import files, identifiers
from programs.kit.errors import CheckoutTooLarge, TargetError
from programs.kit.git import checkouts
from programs.kit.identifiers import ProgramName
from programs.kit.isolation import users
from programs.kit.processes import ports, sandbox
from programs.steps import StepName
from programs.targets.local import cleanup, wording
from programs.targets.local.settings import LocalSettings
from programs.targets.local.v1.base import Props, Provider, folder, place


class HomeProvider(Provider):
    """Created first and removed last. No earlier resource can use the name, so existing leftovers are removed."""

    def make(self, host: LocalSettings, props: Props) -> Props:
        cleanup.purge(host, props["environment"])
        files.make_folder(folder(host, props))
        files.make_folder(folder(host, props) / "home" / "tmp")
        if sandbox.kind(host) != "none":
            users.give(folder(host, props) / "home", users.reserve(host, props["environment"]))
        return {}

    def unmake(self, host: LocalSettings, props: Props) -> None:
        cleanup.purge(host, props["environment"])


class CheckoutProvider(Provider):
    replaced_by: ClassVar[tuple[str, ...]] = ("root", "environment", "generation")
    kept: ClassVar[tuple[str, ...]] = ("commit",)

    def make(self, host: LocalSettings, props: Props) -> Props:
        try:
            with steps.step(StepName.CHECKOUT) as output:
                notes = checkouts.create(host, (props["clone_url"], props["commit"]), place(host, props).checkout)
                output.add(notes)
        except CheckoutTooLarge as error:
            raise TargetError(wording.checkout_too_large(error.sentence), error.tail) from error
        if sandbox.kind(host) != "none":
            users.give(place(host, props).checkout, users.reserve(host, props["environment"]))
        return {"notices": list(notes)}

    def unmake(self, host: LocalSettings, props: Props) -> None:
        files.remove(place(host, props).checkout)

    def exists(self, host: LocalSettings, props: Props) -> bool:
        return place(host, props).checkout.exists()


class PortsProvider(Provider):
    """Reserves all ports of a generation before its services start, so that services know each other's ports."""

    replaced_by: ClassVar[tuple[str, ...]] = ("root", "environment", "generation")
    kept: ClassVar[tuple[str, ...]] = ("services",)

    def make(self, host: LocalSettings, props: Props) -> Props:
        return {"ports": {name: ports.reserve(host, _owner(props, name)) for name in props["services"]}}

    def unmake(self, host: LocalSettings, props: Props) -> None:
        ports.release(host, {_owner(props, name) for name in props["services"]})

    def exists(self, host: LocalSettings, props: Props) -> bool:
        taken = {owner for _, owner in ports.list_reserved(host)}
        return all(_owner(props, name) in taken for name in props["services"])


def _owner(props: Props, service: str) -> str:
    identifiers.check_label(service, "service")
    return str(ProgramName(props["environment"], service, props["generation"]))
