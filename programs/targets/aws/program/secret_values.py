"""Secrets in Secrets Manager, which containers receive as variables. No task definition contains a value."""

from __future__ import annotations

import json

import pulumi
import pulumi_aws as aws
from pulumi import Output

from programs.targets.aws import names
from programs.targets.aws.program.environment import AwsEnvironment, Part

_DELETE_AT_ONCE = 0


class SecretValues(Part):
    """``references`` by variable: what a task definition's ``valueFrom`` names. ``arns``: what tasks must read."""

    def __init__(self, environment: AwsEnvironment, provider: pulumi.ProviderResource) -> None:
        super().__init__("Secrets", "secrets", provider)
        self._environment = environment
        self.references: dict[str, Output[str]] = {}
        self.arns: list[Output[str]] = []
        self.ready: list[pulumi.Resource] = []
        if environment.spec.secrets:
            arn = self._create("values", Output.secret(json.dumps(environment.spec.secret_values)))
            self.references = {name: Output.concat(arn, f":{name}::") for name in environment.spec.secrets}
        self.register_outputs({})

    def add_value(self, variable: str, name: str, value: Output[str]) -> None:
        self.references[variable] = self._create(name, value)

    def add_private(self, name: str, value: Output[str]) -> Output[str]:
        """Adds a secret for one of Eph's own steps. No container of the repository gets it. Returns the ARN."""
        return self._create(name, value)

    def _create(self, name: str, value: Output[str]) -> Output[str]:
        secret = aws.secretsmanager.Secret(
            f"secret-{name}",
            name=self._environment.name(names.OTHER, name),
            recovery_window_in_days=_DELETE_AT_ONCE,
            opts=self.options(),
        )
        self.ready.append(
            aws.secretsmanager.SecretVersion(
                f"secret-{name}", secret_id=secret.id, secret_string=value, opts=self.options()
            )
        )
        self.arns.append(secret.arn)
        arn: Output[str] = secret.arn
        return arn
