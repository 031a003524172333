"""The stand-in for Pulumi's AWS plugin is strict, and has exactly the types that the program uses."""

from __future__ import annotations

import json
from dataclasses import replace

import pulumi_aws as aws
import pytest

from tests.targets.aws.recorded_program import SETTINGS, aws_spec, record_program
from tests.targets.aws.standin import kinds, sdk_schema
from tests.targets.aws.standin.connection import Connection, decode
from tests.targets.aws.standin.kind import KINDS
from tests.targets.aws.standin.provider import same
from tests.targets.aws.standin.sdk_schema import UNKNOWN, Failure
from tests.targets.aws.test_foundation import record as record_foundation
from tests.targets.aws.test_program_shape import FULL_SPEC

QUEUE = "aws:sqs/queue:Queue"
SERVICE = "aws:ecs/service:Service"


def failures(token: str, given: dict[str, object]) -> list[Failure]:
    return list(sdk_schema.failures(sdk_schema.input_class(token), given))


def test_it_has_the_programs_types_and_only_inputs_that_exist() -> None:
    kinds.load()
    recorded = {**record_program(FULL_SPEC).resources}
    recorded |= record_program(aws_spec(), replace(SETTINGS, spot="True")).resources
    recorded |= record_foundation().resources
    used = {key.split(" ")[0] for key in recorded if key.startswith("aws:")}
    assert set(KINDS) == used
    for token, kind in KINDS.items():
        known = {name for name, _ in failures(token, dict.fromkeys([*kind.replaced_by, *kind.updated_by], UNKNOWN))}
        assert not known & {*kind.replaced_by, *kind.updated_by}, token
        assert not set(kind.replaced_by) & set(kind.updated_by), token


def test_inputs_that_the_sdk_does_not_have_are_refused_also_in_nested_values() -> None:
    assert failures(QUEUE, {"name": "jobs", "fifoQueue": True, "delaySeconds": 5}) == []
    assert failures(QUEUE, {"delay": 5}) == [("delay", "pulumi-aws has no such input")]
    assert failures(QUEUE, {"delaySeconds": "soon"})[0][0] == "delaySeconds"
    assert failures(QUEUE, {"delaySeconds": UNKNOWN}) == [], "known only after another resource exists"
    network = {"subnets": ["subnet-1"], "assign_public_ip": True}
    found = failures(SERVICE, {"networkConfiguration": network})
    assert ("networkConfiguration.assign_public_ip", "pulumi-aws has no such input") in found
    assert ("subnetIds", "is required") in failures("aws:rds/subnetGroup:SubnetGroup", {})


def test_types_that_do_not_exist_are_refused() -> None:
    with pytest.raises(LookupError, match="aws:sqs/queue:Queues"):
        sdk_schema.resource_class("aws:sqs/queue:Queues")


def test_service_without_an_endpoint_is_refused() -> None:
    """No test can reach AWS by mistake."""
    connection = Connection({"region": "eu-central-1", "endpoints": [{"sqs": "http://127.0.0.1:1"}]})
    assert connection("sqs").meta.endpoint_url == "http://127.0.0.1:1"
    with pytest.raises(PermissionError, match="no endpoint for rds"):
        connection("rds")


def test_settings_of_the_provider_are_checked_as_they_arrive() -> None:
    provider = record_program(FULL_SPEC, replace(SETTINGS, endpoint="http://aws.test")).resources[
        "pulumi:providers:aws aws"
    ]
    settings = decode(provider)
    assert list(sdk_schema.failures(aws.ProviderArgs, settings)) == []
    connection = Connection(settings)
    assert connection.default_tags["PRNumber"] == "42"
    assert connection.without_ignored({"eph:expires-at": "now", "Team": "shop"}) == {"Team": "shop"}


def test_json_is_compared_by_what_it_says() -> None:
    policy = {"Statement": [], "Version": "1"}
    assert same(json.dumps(policy), json.dumps(policy, indent=1))
    assert not same('{"a": 1}', '{"a": 2}')
    assert not same("{not json", "{nor this")
    assert not same(UNKNOWN, UNKNOWN)
