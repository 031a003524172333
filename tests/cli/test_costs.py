"""`eph cost` and `eph prices`: P10, C1."""

from __future__ import annotations

import json

import pytest

from orchestrator.cli.cli_errors import ExitCode
from orchestrator.service.fake import FakeEnvironmentService
from tests.cli.conftest import Eph
from tests.surfaces.sample_costs import add_costs

NAME = "shop-gentle-stream-42"


@pytest.fixture(autouse=True)
def priced_desk(desk: FakeEnvironmentService) -> FakeEnvironmentService:
    add_costs(desk)
    return desk


def test_cost_sums_up_by_repository_or_else(eph: Eph) -> None:
    done = eph("cost")
    assert done.exit_code == 0
    rows = [line.split() for line in done.stdout.splitlines()]
    assert rows[0][0] == "REPOSITORY"
    assert rows[1] == ["demo/shop", "1", "$0.047", "$7.00", "$3.50"]
    assert "$7.50 this month" in done.stdout
    assert "used up" in done.stdout
    assert "grace" in eph("cost", "--by", "owner").stdout
    assert json.loads(eph("cost", "--output", "json").stdout)["total"]["spent"] == "7.500000"


def test_cost_of_one_environment_lists_its_parts_and_strategies(eph: Eph) -> None:
    done = eph("cost", NAME)
    assert done.exit_code == 0
    assert "load balancer" in done.stdout
    assert "$1.14 a day" in done.stdout
    strategies = eph("cost", NAME, "--strategies").stdout
    for name in ("Expiry", "Idle sleep", "Office hours", "Spot"):
        assert name in strategies
    assert json.loads(eph("cost", NAME, "-o", "json").stdout)["name"] == NAME


def test_environment_without_a_price_says_what_to_do(eph: Eph) -> None:
    done = eph("cost", "shop-gentle-stream-7")
    assert done.exit_code == 0
    assert "[prices]" in done.output


@pytest.mark.parametrize("arguments", [("--strategies",), (NAME, "--by", "owner")])
def test_options_that_do_not_fit_together_are_usage_errors(eph: Eph, arguments: tuple[str, ...]) -> None:
    assert eph("cost", *arguments).exit_code == ExitCode.USAGE


def test_list_and_get_show_costs(eph: Eph) -> None:
    wide = eph("list", "--output", "wide").stdout
    assert "PER DAY" in wide
    assert "$1.14" in wide
    assert "PER DAY" not in eph("list").stdout
    assert "$3.20, $1.10 saved" in eph("get", NAME).stdout
    assert json.loads(eph("list", "-o", "json").stdout)


def test_prices_are_listed_with_date_and_source_and_refreshed(eph: Eph, desk: FakeEnvironmentService) -> None:
    listed = eph("prices").stdout
    for part in ("aws us-east-1", "0.03238", "vCPU-hour", "2026-03-31", "https://aws.test/prices", "not known"):
        assert part in listed
    assert json.loads(eph("prices", "-o", "json").stdout)["targets"][0]["target"] == "aws"
    assert "aws" in eph("prices", "refresh").stdout
    assert desk.calls == [("refresh_prices", "admin-name")]
    assert eph("prices", "refresh", role="viewer").exit_code == ExitCode.UNAUTHORISED
    desk.unavailable_reason = "the price list can't be reached"
    done = eph("prices", "refresh")
    assert done.exit_code != 0
    assert "can't be reached" in done.output
