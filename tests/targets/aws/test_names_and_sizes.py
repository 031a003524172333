"""Names that every AWS service accepts, and sizes: T3, C1."""

from __future__ import annotations

import re
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from programs.spec import EnvironmentSpec, ServiceSpec
from programs.targets.aws import dns_ownership, names, sizing, tags
from programs.targets.aws.errors import AwsError
from tests.targets.aws.recorded_program import WEB, aws_spec

LIMITS = {
    "rds": names.RDS,
    "bucket": names.BUCKET,
    "target group": names.TARGET_GROUP,
    "load balancer": names.LOAD_BALANCER,
    "role": names.IAM_ROLE,
    "queue": names.QUEUE,
    "other": names.OTHER,
}
DOCUMENTED = {"rds": 63, "bucket": 63, "target group": 32, "load balancer": 32, "role": 64, "queue": 80, "other": 255}
TEXT = st.text(max_size=80)
LABEL = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", fullmatch=True)
RULES = re.compile(r"[a-z](?:-?[a-z0-9])*")
"""Starts with a letter, no two dashes in a row, none at the end: RDS's rules, the strictest."""


@pytest.mark.parametrize("kind", LIMITS)
@given(server=TEXT, environment=LABEL, parts=st.lists(TEXT, max_size=3))
def test_every_name_is_legal_for_its_service(kind: str, server: str, environment: str, parts: list[str]) -> None:
    name = names.resource_name(LIMITS[kind], server, environment, *parts)
    assert RULES.fullmatch(name)
    assert 3 <= len(name) <= DOCUMENTED[kind]
    assert not name.endswith(("-s3alias", "--ol-s3"))
    assert not name.startswith("internal-"), "reserved for load balancers"


@given(st.lists(st.tuples(TEXT, LABEL, TEXT), min_size=2, max_size=5, unique=True))
def test_different_parts_of_different_servers_have_different_names(parts: list[tuple[str, str, str]]) -> None:
    assert len({names.resource_name(names.TARGET_GROUP, *item) for item in parts}) == len(parts)


def test_parts_are_not_confused_with_their_concatenation() -> None:
    assert names.resource_name(63, "eph", "a", "b-c") != names.resource_name(63, "eph", "a", "b", "c")


@given(TEXT, LABEL, LABEL)
def test_a_name_that_was_not_cut_reveals_its_environment_to_its_own_server_only(
    server: str, environment: str, part: str
) -> None:
    """C2: a bucket that has no tags yet is found by its name."""
    name = names.resource_name(names.BUCKET, server, environment, part)
    found = names.environment_of(name, names.BUCKET, server)
    legal = not re.search(r"--|-$", f"{environment}-{part}")
    assert found == environment if legal and len(f"eph-{environment}-{part}") < 54 else found in ("", environment)
    assert names.environment_of(name, names.BUCKET, f"{server}x") == ""
    assert names.environment_of("someone-elses-bucket", names.BUCKET, server) == ""


@given(TEXT)
def test_path_of_roles_is_legal_and_ends_with_a_slash(server: str) -> None:
    assert re.fullmatch(r"/eph/[A-Za-z0-9-]+/", names.iam_path(server))


@given(TEXT)
def test_tag_values_contain_only_what_every_service_accepts(text: str) -> None:
    assert re.fullmatch(r"[A-Za-z0-9 _.:/=+@-]{0,256}", tags.tag_value(text))


def test_tags_name_team_environment_expiry_and_pull_request_and_cannot_be_overridden() -> None:
    """C2, S3: the marks come from eph.yaml and the Git host, our own tags from the server."""
    spec = aws_spec(marks={"Team": "shop", "Ref": "branch fix/#1 <x>", "Environment": "other", "eph:server": "other"})
    assert tags.environment_tags(spec, "eph-1") == {
        "Team": "shop",
        "Ref": "branch fix/-1 -x-",
        "Environment": spec.name,
        "ManagedBy": "eph",
        "eph:server": "eph-1",
    }


@given(environment=LABEL)
def test_ownership_of_a_record_survives_quotes_and_is_not_guessed(environment: str) -> None:
    text = dns_ownership.owner_text("eph-1", environment)
    assert dns_ownership.parse_owner(text) == dns_ownership.parse_owner(f'"{text}"') == ("eph-1", environment)
    assert dns_ownership.parse_owner(f"{text},and=more") is None
    assert dns_ownership.parse_owner("v=spf1 -all") is None
    assert dns_ownership.owned_host(f"{dns_ownership.owner_name('a.test')}.") == "a.test"
    assert dns_ownership.owned_host("www.a.test.") == ""


@given(cpu=st.integers(1, 16384), memory=st.integers(1, 120 * 1024))
def test_fargate_size_is_valid_sufficient_and_the_smallest(cpu: int, memory: int) -> None:
    fitting = [size for size in sizing.FARGATE_SIZES if size.cpu >= cpu and size.memory_mib >= memory]
    if not fitting:
        with pytest.raises(AwsError, match="no Fargate task has"):
            sizing.fargate_size(cpu, memory)
        return
    assert sizing.fargate_size(cpu, memory) == min(fitting)


def test_fargate_sizes_are_those_that_aws_documents() -> None:
    sizes = set(sizing.FARGATE_SIZES)
    assert sizing.FargateSize(256, 512) in sizes
    assert sizing.FargateSize(256, 4096) not in sizes
    assert sizing.FargateSize(1024, 1024) not in sizes
    assert sizing.FargateSize(8192, 17 * 1024) not in sizes
    assert (len(sizes), sizing.FARGATE_SIZES[-1]) == (3 + 4 + 7 + 13 + 23 + 12 + 12, sizing.FargateSize(16384, 122880))


@given(st.integers(1, 100_000))
def test_amounts_are_rounded_up(thousandths: int) -> None:
    units = sizing.parse_cpu(f"{thousandths}m")
    assert units - 1 < Decimal(thousandths) * 1024 / 1000 <= units
    assert sizing.parse_memory(f"{thousandths}Ki") == -(-thousandths // 1024)


def test_small_and_production_like() -> None:
    small, full = sizing.SIZES["ephemeral"], sizing.SIZES["full"]
    assert (small.instance_class, small.storage_gb, small.backup_days, small.replicas) == ("db.t4g.micro", 20, 0, 1)
    assert (full.storage_gb, full.backup_days, full.replicas) == (500, 7, 3)


def test_size_beyond_the_servers_policy_is_an_error_that_names_it() -> None:
    assert sizing.environment_size("full", "full").name == "full"
    with pytest.raises(AwsError, match=r"aws\.size is full; the largest size that this server allows is ephemeral"):
        sizing.environment_size("full", "ephemeral")
    with pytest.raises(AwsError, match="unknown size 'huge'"):
        sizing.environment_size("huge", "full")


def spec_with(service_cpu: str, **resources: str) -> EnvironmentSpec:
    return aws_spec(WEB, ServiceSpec("api", "", image="shop", resources={"cpu": service_cpu}), resources=resources)


def test_limits_of_an_environment_are_errors_not_reductions() -> None:
    """Y4: the sum counts as Fargate bills it, for all replicas."""
    small, limits = sizing.SIZES["ephemeral"], {"cpu": "2", "memory": "4Gi"}
    sizing.check_limits(spec_with("1"), small, limits)
    with pytest.raises(AwsError, match=r"use 2\.25 CPUs on Fargate; its limit is 2"):
        sizing.check_limits(spec_with("2"), small, limits)
    with pytest.raises(AwsError, match="its limit is 500m"):
        sizing.check_limits(spec_with("1", cpu="500m"), small, limits)
    with pytest.raises(AwsError, match=r"environment\.resources\.memory is 5Gi; this server's limit"):
        sizing.check_limits(spec_with("1", memory="5Gi"), small, limits)
