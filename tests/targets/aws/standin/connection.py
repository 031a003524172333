"""boto3 clients as the provider's configuration asks for them. A service without an endpoint is refused."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import boto3
from botocore.config import Config

PLAIN_SETTINGS = ("region", "profile", "accessKey", "secretKey", "token", "version")


def decode(settings: dict[str, Any]) -> dict[str, Any]:
    """Nested values and booleans arrive as JSON."""
    return {
        name: json.loads(value) if isinstance(value, str) and name not in PLAIN_SETTINGS else value
        for name, value in settings.items()
    }


@dataclass
class Connection:
    """``settings`` as the official plugin reads them. ``runs_tasks``: whether this AWS runs what ECS is asked to."""

    settings: dict[str, Any]
    runs_tasks: bool = True
    _clients: dict[str, Any] = field(default_factory=dict)

    def __call__(self, service: str) -> Any:
        if service not in self._clients:
            self._clients[service] = self._session().client(service, **self._options(service))
        return self._clients[service]

    @property
    def region(self) -> str:
        return str(self.settings["region"])

    @property
    def default_tags(self) -> dict[str, str]:
        return dict(self.settings.get("defaultTags", {}).get("tags", {}))

    def without_ignored(self, tags: dict[str, str]) -> dict[str, str]:
        prefixes = tuple(self.settings.get("ignoreTags", {}).get("keyPrefixes", ()))
        return {key: value for key, value in tags.items() if not key.startswith(prefixes)}

    def check_account(self) -> None:
        allowed = self.settings.get("allowedAccountIds")
        if allowed and (account := self("sts").get_caller_identity()["Account"]) not in allowed:
            raise PermissionError(f"AWS account ID not allowed: {account}")

    def _session(self) -> boto3.Session:
        session = boto3.Session(profile_name=self.settings.get("profile"), region_name=self.region)
        for role in self.settings.get("assumeRoles", ()):
            wanted = {"RoleArn": role["roleArn"], "RoleSessionName": role.get("sessionName", "standin")}
            answer = session.client("sts", **self._options("sts")).assume_role(**wanted)["Credentials"]
            keys = ("AccessKeyId", "SecretAccessKey", "SessionToken")
            session = boto3.Session(*(answer[key] for key in keys), region_name=self.region)
        return session

    def _options(self, service: str) -> dict[str, Any]:
        endpoints = {name: url for one in self.settings.get("endpoints", ()) for name, url in one.items()}
        if not endpoints.get(service):
            raise PermissionError(f"no endpoint for {service}: this stand-in never connects to AWS")
        retries = {"max_attempts": 8, "mode": "standard"}
        return {"endpoint_url": endpoints[service], "config": Config(retries=retries, s3={"addressing_style": "path"})}
