"""The resources that the inline program declares. Each pairs a type with its provider."""

from __future__ import annotations

from typing import Any

import pulumi
from pulumi.dynamic import Resource

from programs.targets.local.v1.commands import CommandProvider, LastWordsProvider, MigrationProvider, OnceProvider
from programs.targets.local.v1.data import DatabaseProvider, DatabaseServerProvider, MailCatcherProvider, SeedProvider
from programs.targets.local.v1.places import CheckoutProvider, HomeProvider, PortsProvider
from programs.targets.local.v1.serving import CurrentProvider, RouteProvider, ServiceProvider

Props = dict[str, Any]
Options = pulumi.ResourceOptions


class Home(Resource, module="eph", name="Home"):
    def __init__(self, name: str, props: Props, opts: Options | None = None) -> None:
        super().__init__(HomeProvider(), name, props, opts)


class Checkout(Resource, module="eph", name="Checkout"):
    notices: pulumi.Output[list[str] | None]
    """None if an earlier version created it."""

    def __init__(self, name: str, props: Props, opts: Options | None = None) -> None:
        super().__init__(CheckoutProvider(), name, {**props, "notices": None}, opts)


class Ports(Resource, module="eph", name="Ports"):
    ports: pulumi.Output[dict[str, int]]

    def __init__(self, name: str, props: Props, opts: Options | None = None) -> None:
        super().__init__(PortsProvider(), name, {**props, "ports": None}, opts)


class Database(Resource, module="eph", name="Database"):
    url: pulumi.Output[str]
    made: pulumi.Output[str]

    def __init__(self, name: str, props: Props, opts: Options | None = None) -> None:
        secret = Options(additional_secret_outputs=["url"])
        super().__init__(DatabaseProvider(), name, {**props, "url": None, "made": None}, Options.merge(opts, secret))


class DatabaseServer(Resource, module="eph", name="DatabaseServer"):
    url: pulumi.Output[str]
    made: pulumi.Output[str]

    def __init__(self, name: str, props: Props, opts: Options | None = None) -> None:
        secret = Options(additional_secret_outputs=["url"])
        super().__init__(
            DatabaseServerProvider(), name, {**props, "url": None, "made": None}, Options.merge(opts, secret)
        )


class MailCatcher(Resource, module="eph", name="MailCatcher"):
    port: pulumi.Output[int]
    web_port: pulumi.Output[int]

    def __init__(self, name: str, props: Props, opts: Options | None = None) -> None:
        super().__init__(MailCatcherProvider(), name, {**props, "port": None, "web_port": None}, opts)


class Seed(Resource, module="eph", name="Seed"):
    def __init__(self, name: str, props: Props, opts: Options | None = None) -> None:
        super().__init__(SeedProvider(), name, props, opts)


class Command(Resource, module="eph", name="Command"):
    def __init__(self, name: str, props: Props, opts: Options | None = None) -> None:
        super().__init__(CommandProvider(), name, props, opts)


class Migration(Resource, module="eph", name="Command"):
    """Of the same type as other commands, so that those of earlier versions stay the same resources."""

    schema: pulumi.Output[list[str] | None]
    """What it changed, as notices; None if an earlier version ran it."""

    def __init__(self, name: str, props: Props, opts: Options | None = None) -> None:
        super().__init__(MigrationProvider(), name, {**props, "schema": None}, opts)


class Once(Resource, module="eph", name="Once"):
    def __init__(self, name: str, props: Props, opts: Options | None = None) -> None:
        super().__init__(OnceProvider(), name, props, opts)


class LastWords(Resource, module="eph", name="LastWords"):
    def __init__(self, name: str, props: Props, opts: Options | None = None) -> None:
        super().__init__(LastWordsProvider(), name, props, opts)


class Service(Resource, module="eph", name="Service"):
    def __init__(self, name: str, props: Props, opts: Options | None = None) -> None:
        super().__init__(ServiceProvider(), name, props, opts)


class Route(Resource, module="eph", name="Route"):
    def __init__(self, name: str, props: Props, opts: Options | None = None) -> None:
        super().__init__(RouteProvider(), name, props, opts)


class Current(Resource, module="eph", name="Current"):
    at: pulumi.Output[str]

    def __init__(self, name: str, props: Props, opts: Options | None = None) -> None:
        super().__init__(CurrentProvider(), name, {**props, "at": None}, opts)
