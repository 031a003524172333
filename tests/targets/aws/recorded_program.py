"""What the AWS program would create: its resources as recorded by Pulumi's mocks."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pulumi
from pulumi.runtime import MockCallArgs, MockResourceArgs, Mocks, set_mocks

from programs.spec import EnvironmentSpec, GitSource, ServiceSpec
from programs.targets.aws.api.existing_parts import ExistingParts
from programs.targets.aws.program import aws_program
from programs.targets.aws.program.environment import AwsEnvironment
from programs.targets.aws.settings import AwsSettings
from tests.targets.kubernetes.recorded_program import event_loop, run_program

IMAGE = f"registry.test/acme/shop@sha256:{'c' * 64}"
SETTINGS = AwsSettings(region="eu-central-1", server="eph-c0ffee", zone="Z123", url="https://{host}")
OWN_NETWORK = ExistingParts(zones=("eu-central-1a", "eu-central-1b"))
WEB = ServiceSpec("web", "", image="shop", port=8080)
NAME = "shop-gentle-stream-42"


def aws_spec(*services: ServiceSpec, **more: Any) -> EnvironmentSpec:
    given: dict[str, Any] = {
        "name": NAME,
        "host": f"{NAME}.preview.test",
        "target": "aws",
        "project": "shop",
        "source": GitSource("/origin.git", "a" * 40, "feature"),
        "services": services or (WEB,),
        "images": {"shop": IMAGE},
        "marks": {"Team": "shop", "EphemeralTTL": "24h", "PRNumber": "42", "Environment": NAME, "ManagedBy": "eph"},
    }
    return EnvironmentSpec(**{**given, **more})


@dataclass
class RecordedProgram(Mocks):
    """Every resource, as its type and its name in the program: ``aws:ecs/service:Service web``."""

    resources: dict[str, dict[str, Any]] = field(default_factory=dict)

    def new_resource(self, args: MockResourceArgs) -> tuple[str, dict[str, Any]]:
        self.resources[f"{args.typ} {args.name}"] = dict(args.inputs)
        computed = {"arn": f"arn:aws:test:{args.name}", "endpoint": "db.test:5432", "url": f"https://sqs/{args.name}"}
        return f"{args.name}-id", {
            **computed,
            "dnsName": "lb.test",
            "value": "generated",
            "at": "now",
            "resourceId": "db-1",
            **args.inputs,
        }

    def call(self, args: MockCallArgs) -> tuple[dict[Any, Any], list[tuple[str, str]] | None]:
        raise AssertionError(f"the program must look nothing up, but called {args.token}")

    def of(self, kind: str) -> dict[str, dict[str, Any]]:
        """Resources of one type, such as ``rds/instance``, by name."""
        return {
            key.split(" ")[1]: inputs
            for key, inputs in self.resources.items()
            if key.split(" ")[0].partition(":")[2].partition(":")[0] == kind
        }


def record_program(
    spec: EnvironmentSpec, settings: AwsSettings = SETTINGS, shared: ExistingParts = OWN_NETWORK
) -> RecordedProgram:
    found = RecordedProgram()
    with event_loop():
        set_mocks(found, project="eph-shop-1", stack="pr-42", preview=False)
        run_program(lambda: aws_program.build(AwsEnvironment(spec, settings, shared, "test")))
    pulumi.runtime.settings.reset_options()
    return found
