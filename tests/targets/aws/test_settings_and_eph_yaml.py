"""What the target rejects before anything is created: settings, eph.yaml and specs. Y2, Y4, S3."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from orchestrator.config.eph_yaml.parsing import parse
from programs.spec import DatabaseSpec, ServiceSpec
from programs.targets.aws import eph_yaml_section, settings, spec_checks
from programs.targets.aws.api import clients
from programs.targets.aws.errors import AwsError
from programs.targets.aws.settings import AwsSettings
from programs.targets.aws.target import TARGET
from tests.targets.aws.recorded_program import SETTINGS, WEB, aws_spec

BASE = {"region": "eu-central-1", "server": "eph-1", "url": "https://{host}", "zone": "Z1"}
NIGHTLY = {"name": "nightly", "image": "shop", "public": False, "schedule": "0 3 * * *"}
SERVICE = {"name": "web", "image": "shop", "port": 8080}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"region": ""}, r"settings for AWS are missing \('region'\)"),
        ({"url": "https://preview"}, r"must contain \{host\}"),
        ({"zone": ""}, "Set 'zone' to the ID of a Route 53 hosted zone"),
        ({"listener": "arn"}, "'listener' requires 'subnets'"),
        ({"subnets": "subnet-1"}, "list at least two"),
        ({"external_id": "x"}, "has no effect without 'role'"),
    ],
)
def test_settings_that_contradict_each_other_are_errors(changes: dict[str, str], message: str) -> None:
    with pytest.raises(AwsError, match=message):
        settings.from_mapping({**BASE, **changes})


def findings(**changes: Any) -> list[tuple[tuple[str | int, ...], str]]:
    data = {"version": "1.0", "name": "shop", "target": "aws", "services": [SERVICE], **changes}
    images = [{"name": "shop", "repository": "registry.test/shop", "tag_template": "{commit_sha}"}]
    given = {**data, "environment": {"images": images, **data.get("environment", {})}}
    file = parse(json.dumps(given).encode()).config.model_dump()
    return [(item.path, item.message) for item in eph_yaml_section.problems(file)]


def test_a_file_that_the_target_can_build_has_no_problems() -> None:
    assert findings() == []


def database(migrate: str = "", **template: Any) -> dict[str, Any]:
    return {
        "database": {"instances": [{"name": "main", "template": template, **({"migrate": migrate} if migrate else {})}]}
    }


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"services": [{"name": "web", "command": "x"}]}, ("services", 0)),
        ({"services": [SERVICE, NIGHTLY]}, ("services", 1, "schedule")),
        ({"services": [{**SERVICE, "volumes": {"/data": "1Gi"}}]}, ("services", 0, "volumes")),
        ({"hooks": {"pre_destroy": ["bin/bye"]}}, ("hooks", "pre_destroy")),
        ({"environment": {"protection": {"sign_in": "required"}}}, ("environment", "protection")),
        ({"aws": {"queues": ["jobs", "jobs"]}}, ("aws", "queues", 1)),
        (
            database(strategy="snapshot", source="shop", mask=["mask.sql"]),
            ("database", "instances", 0, "template", "mask"),
        ),
        (database("bin/migrate", strategy="read_replica", source="shop"), ("database", "instances", 0, "migrate")),
    ],
)
def test_what_the_target_does_not_do_is_a_problem_at_its_line(
    changes: dict[str, Any], path: tuple[str | int, ...]
) -> None:
    assert [where for where, _ in findings(**changes)] == [path]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sign_in": True}, "can't require sign-in"),
        ({"images": {"shop": "registry.test/shop:1"}}, "isn't pinned to a digest"),
        ({"services": (replace(WEB, after=("db",)),)}, "starts after 'db', which isn't a service"),
        ({"services": (WEB, WEB)}, "service 'web' is defined twice"),
        ({"services": (replace(WEB, image="other"),)}, "unknown image 'other'; known: shop"),
        ({"services": ()}, "has no services"),
        ({"databases": (DatabaseSpec("main", strategy="template"),)}, "unknown strategy 'template'"),
        ({"databases": (DatabaseSpec("main", strategy="seed", scripts=("a.sql",)),)}, "use a seed command"),
        ({"env": {"1x": "y"}}, "can't start with a digit"),
        ({"name": "../other"}, "lowercase letters, digits and dashes"),
        ({"options": {"size": "full"}}, "the largest size that this server allows is ephemeral"),
    ],
)
def test_a_spec_that_aws_would_reject_later_is_rejected_first(changes: dict[str, Any], message: str) -> None:
    spec = replace(aws_spec(WEB, ServiceSpec("api", "", image="shop")), **changes)
    with pytest.raises(AwsError, match=message):
        spec_checks.check(spec, SETTINGS)


def test_images_come_from_allowed_registries_only() -> None:
    allowed: AwsSettings = replace(SETTINGS, registries="registry.test/other")
    with pytest.raises(AwsError, match=r"this server only allows images from registry\.test/other"):
        spec_checks.check(aws_spec(), allowed)
    spec_checks.check(aws_spec(), replace(SETTINGS, registries="registry.test/acme"))


def test_untrusted_authors_are_not_built_here_by_default() -> None:
    assert TARGET.description.trusted_authors_only


def test_account_is_read_with_the_same_clients_until_the_settings_change() -> None:
    """Creating them takes longer than most requests."""
    first = clients.shared(settings.from_mapping(BASE))
    assert clients.shared(settings.from_mapping(BASE)) is first
    assert clients.shared(settings.from_mapping({**BASE, "region": "us-east-1"})) is not first
