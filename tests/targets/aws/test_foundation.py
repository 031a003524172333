"""What ``infra/selfhost`` creates in an empty account, with Pulumi's mocks: each input is one that pulumi-aws has, and
Eph gets no more rights than it needs. O4, S3."""

from __future__ import annotations

import json
import tomllib
from dataclasses import dataclass, field, replace
from typing import Any

import pulumi
import pytest
from pulumi.runtime import MockCallArgs, MockResourceArgs, Mocks, set_mocks

from programs.targets.aws.errors import AwsError
from programs.targets.aws.foundation import foundation_program, permissions, wording
from programs.targets.aws.foundation.foundation_settings import FoundationSettings
from tests.targets.aws import docs_of_foundation
from tests.targets.aws.standin import sdk_schema
from tests.targets.kubernetes.recorded_program import event_loop, run_program

SETTINGS = FoundationSettings("preview.example.com", "eu-central-1", ("eu-central-1a", "eu-central-1b"))
OPTION = {"resourceRecordName": "_x.preview.example.com", "resourceRecordType": "CNAME", "resourceRecordValue": "y"}


@dataclass
class RecordedFoundation(Mocks):
    resources: dict[str, dict[str, Any]] = field(default_factory=dict)

    def new_resource(self, args: MockResourceArgs) -> tuple[str, dict[str, Any]]:
        self.resources[f"{args.typ} {args.name}"] = dict(args.inputs)
        computed = {"arn": f"arn:aws:iam::123456789012:{args.name}", "domainValidationOptions": [OPTION]}
        computed |= {"zoneId": "Z1", "dnsName": "lb.test", "fqdn": "_x.preview.example.com"}
        return f"{args.name}-id", {**computed, "repositoryUrl": "1.dkr.ecr.test/eph/previews", **args.inputs}

    def call(self, args: MockCallArgs) -> tuple[dict[Any, Any], list[tuple[str, str]] | None]:
        raise AssertionError(f"the program must look nothing up, but called {args.token}")

    def policy(self, key: str, name: str = "policy") -> list[dict[str, Any]]:
        return list(json.loads(self.resources[key][name])["Statement"])


def record(settings: FoundationSettings = SETTINGS) -> RecordedFoundation:
    found = RecordedFoundation()
    with event_loop():
        set_mocks(found, project="eph-self-install", stack="main", preview=False)
        run_program(lambda: foundation_program.build(settings))
    pulumi.runtime.settings.reset_options()
    return found


@pytest.fixture(scope="module")
def recorded() -> RecordedFoundation:
    return record()


def aws_resources(found: RecordedFoundation) -> list[tuple[str, dict[str, Any]]]:
    return [(key.split(" ")[0], inputs) for key, inputs in found.resources.items() if key.startswith("aws:")]


def test_each_input_is_one_that_pulumi_aws_has(recorded: RecordedFoundation) -> None:
    for token, inputs in aws_resources(recorded):
        assert list(sdk_schema.failures(sdk_schema.input_class(token), inputs)) == [], token


def test_docs_list_exactly_what_is_created(recorded: RecordedFoundation) -> None:
    created: dict[str, int] = {}
    for token, _ in aws_resources(recorded):
        kind = token.split(":")[1]
        created[kind] = created.get(kind, 0) + 1
    assert docs_of_foundation.resources() == created


def test_docs_and_the_plan_list_the_same_permissions_and_cover_every_service_of_the_role() -> None:
    assert docs_of_foundation.permissions() == list(wording.PERMISSIONS)
    listed = " ".join(what for what, _ in wording.PERMISSIONS).replace(",", "").split()
    assert [service for service in permissions.PERMISSIONS if service not in listed] == []


def test_eph_can_create_roles_only_below_its_path_and_with_the_boundary(recorded: RecordedFoundation) -> None:
    statements = recorded.policy("aws:iam/rolePolicy:RolePolicy eph")
    for statement in statements:
        roles = [action for action in statement["Action"] if action.startswith("iam:") and action != "iam:ListRoles"]
        assert not roles or statement["Resource"] == "arn:aws:iam::*:role/eph/*"
        assert not {"iam:CreateRole", "iam:PutRolePolicy"} & {*roles} or statement["Condition"] == {
            "StringEquals": {"iam:PermissionsBoundary": "arn:aws:iam::123456789012:boundary"}
        }
        assert not {"*", "iam:*", "ec2:RunInstances", "sts:AssumeRole"} & {*statement["Action"]}


def test_boundary_allows_no_change_of_accounts_networks_or_roles(recorded: RecordedFoundation) -> None:
    statements = recorded.policy("aws:iam/policy:Policy boundary")
    services = {action.partition(":")[0] for statement in statements for action in statement["Action"]}
    assert services == {"ecr", "logs", "s3", "secretsmanager", "sqs"}


def test_boundary_covers_what_an_environments_roles_request() -> None:
    """Otherwise an environment's tasks couldn't start."""
    from tests.targets.aws.recorded_program import record_program
    from tests.targets.aws.test_program_shape import FULL_SPEC

    allowed = {action for statement in permissions.boundary_statements() for action in statement["Action"]}
    policies = record_program(FULL_SPEC).of("iam/rolePolicy").values()
    requested = {
        action for item in policies for one in json.loads(item["policy"])["Statement"] for action in one["Action"]
    }
    assert requested <= allowed


def test_backups_are_private_encrypted_and_survive_a_destroy(recorded: RecordedFoundation) -> None:
    encryption = recorded.resources[
        "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration backups"
    ]
    assert encryption["rules"][0]["applyServerSideEncryptionByDefault"]["sseAlgorithm"] == "aws:kms"
    assert recorded.resources["aws:kms/key:Key backups"]["enableKeyRotation"] is True
    blocked = recorded.resources["aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock backups"]
    assert all(value for name, value in blocked.items() if name != "bucket")


def test_existing_zone_is_used_and_a_principal_needs_no_instance_profile() -> None:
    role = "arn:aws:iam::123456789012:role/ci"
    found = record(replace(SETTINGS, zone="Z0123456789ABC", principal=role))
    kinds = {key.split(" ")[0] for key in found.resources}
    assert not {"aws:route53/zone:Zone", "aws:iam/instanceProfile:InstanceProfile"} & kinds
    (trust,) = found.policy("aws:iam/role:Role eph", "assumeRolePolicy")
    assert trust["Principal"] == {"AWS": role}


def test_output_is_a_servers_configuration() -> None:
    from orchestrator.config.settings.server_settings import ServerSettings

    found = {"role": "arn:r", "boundary": "arn:b", "listener": "arn:l", "cluster": "eph"}
    registry = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/eph/previews"
    text = wording.eph_toml(
        "preview.example.com", "eu-central-1", ["subnet-1", "subnet-2"], {**found, "registry": registry}
    )
    loaded = ServerSettings.model_validate(tomllib.loads(text))
    assert loaded.target_table("aws").image_registries() == (registry,)
    assert loaded.images.credential_helpers == ("123456789012.dkr.ecr.eu-central-1.amazonaws.com=ecr",)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"domain": "localhost"}, "isn't a domain"),
        ({"zone": "preview.example.com"}, "isn't the ID of a hosted zone"),
        ({"principal": "*"}, "isn't the ARN of a role"),
        ({"zones": ("eu-central-1a",)}, "fewer than two availability zones"),
    ],
)
def test_invalid_setting_is_an_error_before_anything_is_declared(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(AwsError, match=message):
        foundation_program.build(replace(SETTINGS, **changes))
