"""An AWS account for a test: moto's server on this machine, in which every resource starts empty."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from programs.targets.aws import settings, tags
from programs.targets.aws.api.clients import AwsClients

REGION, SERVER = "eu-central-1", "eph-c0ffee"
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_EC2_METADATA_DISABLED": "true"}


@dataclass(frozen=True)
class AwsAccount:
    endpoint: str
    zone: str

    def settings(self, **more: str) -> dict[str, str]:
        base = {"region": REGION, "server": SERVER, "url": "http://{host}", "zone": self.zone, "root": "/nowhere"}
        return {**base, "endpoint": self.endpoint, **more}

    def clients(self, **more: str) -> AwsClients:
        return AwsClients(settings.from_mapping(self.settings(**more)))


def marks(environment: str, server: str = SERVER) -> dict[str, str]:
    return {tags.ENVIRONMENT: environment, tags.MANAGED_BY: "eph", tags.SERVER: server}


def client_of(endpoint: str, service: str) -> Any:
    return AwsAccount(endpoint, "Z0").clients().client(service)
