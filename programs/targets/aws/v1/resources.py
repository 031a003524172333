"""The dynamic resources that the inline program declares. Each pairs a type with its provider."""

from __future__ import annotations

from typing import Any

import pulumi
from pulumi.dynamic import Resource

from programs.targets.aws.v1.providers import (
    DoneProvider,
    LoadBalancerRouteProvider,
    MarkProvider,
    OneOffTaskProvider,
    PasswordProvider,
    RestoredFromProvider,
)

Props = dict[str, Any]
Options = pulumi.ResourceOptions


class Mark(Resource, module="eph", name="Mark"):
    def __init__(self, name: str, props: Props, opts: Options | None = None) -> None:
        super().__init__(MarkProvider(), name, props, opts)


class Password(Resource, module="eph", name="Password"):
    value: pulumi.Output[str]

    def __init__(self, name: str, props: Props, opts: Options | None = None) -> None:
        secret = Options(additional_secret_outputs=["value"])
        super().__init__(PasswordProvider(), name, {**props, "value": None}, Options.merge(opts, secret))


class RestoredFrom(Resource, module="eph", name="RestoredFrom"):
    value: pulumi.Output[str]

    def __init__(self, name: str, props: Props, opts: Options | None = None) -> None:
        super().__init__(RestoredFromProvider(), name, {**props, "value": None}, opts)


class OneOffTask(Resource, module="eph", name="OneOffTask"):
    def __init__(self, name: str, props: Props, opts: Options | None = None) -> None:
        super().__init__(OneOffTaskProvider(), name, props, opts)


class LoadBalancerRoute(Resource, module="eph", name="LoadBalancerRoute"):
    def __init__(self, name: str, props: Props, opts: Options | None = None) -> None:
        super().__init__(LoadBalancerRouteProvider(), name, props, opts)


class Done(Resource, module="eph", name="Done"):
    at: pulumi.Output[str]

    def __init__(self, name: str, props: Props, opts: Options | None = None) -> None:
        super().__init__(DoneProvider(), name, {**props, "at": None}, opts)
