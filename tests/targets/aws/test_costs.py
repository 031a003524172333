"""What an environment on AWS costs, and the public price list: P10, C1."""

from __future__ import annotations

import threading
import urllib.request
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from programs.costs import CostEstimate, CostStrategy, HourlyRate
from programs.spec import DatabaseSpec, EnvironmentSpec, Secret
from programs.targets.aws.errors import AwsError
from programs.targets.aws.pricing import cost_estimate, price_api, price_data
from programs.targets.aws.settings import AwsSettings
from tests.targets.aws.recorded_program import OWN_NETWORK, SETTINGS, WEB, aws_spec, record_program

US = replace(SETTINGS, region="us-east-1")
SHARED = replace(US, subnets="subnet-a,subnet-b", listener="arn:listener", cluster="shared", zone="")
WORKER = replace(WEB, name="worker", public=False, port=0)


def estimate(spec: EnvironmentSpec, settings: AwsSettings = US) -> CostEstimate:
    return cost_estimate.estimate(spec, settings, price_data.shipped_prices(settings.region))


def quantities(found: CostEstimate) -> dict[str, Decimal]:
    return {line.what: line.quantity for line in found.lines}


def test_estimate_has_a_line_for_each_part_that_the_program_creates() -> None:
    secret = {"API_KEY": Secret("key", "mark", "value")}
    spec = aws_spec(WEB, WORKER, databases=(DatabaseSpec("main"),), secrets=secret)
    program = record_program(spec, US, OWN_NETWORK)
    found = quantities(estimate(spec))
    assert sum(what.endswith(": CPU") for what in found) == len(program.of("ecs/service")) == 2
    instance = program.of("rds/instance")["database-main"]
    assert found["main: storage"] == instance["allocatedStorage"]
    assert price_data.instance_item(instance["instanceClass"]) == "rds_db_t4g_micro"
    assert found["load balancer"] == len(program.of("lb/loadBalancer")) == 1
    assert found["load balancer: public addresses"] == len(program.of("ec2/subnet"))
    assert found["secrets"] == len(program.of("secretsmanager/secret"))


def test_prices_of_the_region_apply() -> None:
    """With AWS's example: https://aws.amazon.com/fargate/pricing/"""
    found = {line.what: line.rate for line in estimate(aws_spec(databases=(DatabaseSpec("main"),))).lines}
    assert found["web: CPU"].awake == Decimal("0.25") * Decimal("0.03238")
    assert found["web: memory"].awake == Decimal("0.5") * Decimal("0.00356")
    assert found["main: database"] == HourlyRate(Decimal("0.016"))
    assert found["main: storage"].asleep * 730 == pytest.approx(20 * Decimal("0.115"))


def test_asleep_only_data_and_addresses_cost() -> None:
    found = estimate(aws_spec(databases=(DatabaseSpec("main"),)))
    kept = {line.what for line in found.lines if line.rate.asleep}
    assert kept == {"main: storage", "load balancer", "load balancer: public addresses", "secrets"}


def test_strategies_are_compared_with_the_same_environment_without_them() -> None:
    spec = aws_spec(databases=(DatabaseSpec("main"),))
    found = estimate(spec, replace(SHARED, spot="True"))
    assert {name for name, each in found.strategies.items() if each.used} == set(found.strategies)
    for comparison in found.strategies.values():
        assert comparison.after == found.rate
        assert comparison.before.awake > comparison.after.awake
    plain = estimate(spec)
    assert {name for name, each in plain.strategies.items() if each.used} == {CostStrategy.SIZE}
    assert plain.strategies[CostStrategy.SPOT].before == plain.rate


def test_region_without_prices_names_what_is_missing() -> None:
    found = estimate(aws_spec(databases=(DatabaseSpec("main"),)), replace(US, region="mars-north-1"))
    assert not found.is_priced
    assert {"fargate_cpu_arm64", "rds_db_t4g_micro", "rds_gp3", "load_balancer"} <= set(found.unpriced)


def test_shipped_prices_name_their_date_and_page() -> None:
    for region in ("us-east-1", "us-east-2", "us-west-2", "eu-west-1", "eu-central-1"):
        known = [item for item in price_data.shipped_prices(region).items if item.amount is not None]
        assert len(known) >= 9
        assert all(item.source.startswith("https://aws.amazon.com/") and item.dated >= "2026" for item in known)


# --- the price list API

HEADER = (
    '"SKU","OfferTermCode","RateCode","TermType","PriceDescription","EffectiveDate","StartingRange","EndingRange",'
    '"Unit","PricePerUnit","Currency","Product Family","Database Engine","usageType","operation"'
)


def row(price: str, usage: str, engine: str = "", operation: str = "", term: str = "OnDemand", start: str = "0") -> str:
    fields = ("SKU", "JRTC", "SKU.JRTC", term, f"${price} per unit, and more", "2026-10-01", start, "Inf", "Hrs", price)
    return ",".join(f'"{field}"' for field in (*fields, "USD", "Any", engine, usage, operation))


FILES = {
    "AmazonECS": [
        row("0.0500000000", "EUC1-Fargate-vCPU-Hours:perCPU"),
        row("0.0100000000", "EUC1-Fargate-Windows-vCPU-Hours:perCPU"),
        row("0.0060000000", "EUC1-Fargate-GB-Hours"),
        row("0.0400000000", "EUC1-Fargate-ARM-vCPU-Hours:perCPU"),
        row("0.0050000000", "EUC1-Fargate-ARM-GB-Hours"),
    ],
    "AmazonRDS": [
        row("0.0190000000", "EUC1-InstanceUsage:db.t4g.micro", "PostgreSQL"),
        row("9.0000000000", "EUC1-InstanceUsage:db.t4g.micro", "MySQL"),
        row("9.0000000000", "EUC1-InstanceUsage:db.t4g.micro", "PostgreSQL", term="Reserved"),
        row("0.1900000000", "EUC1-InstanceUsage:db.m6g.large", "PostgreSQL"),
        row("0.1370000000", "EUC1-RDS:GP3-Storage", "PostgreSQL"),
    ],
    "AWSELB": [
        row("0.0270000000", "EUC1-LoadBalancerUsage", operation="LoadBalancing:Application"),
        row("9.0000000000", "EUC1-LoadBalancerUsage", operation="LoadBalancing:Network"),
    ],
    "AmazonVPC": [row("0.0050000000", "EUC1-PublicIPv4:InUseAddress")],
    "AWSSecretsManager": [
        row("0.4000000000", "EUC1-AWSSecretsManager-Secrets"),
        row("0.1000000000", "EUC1-AWSSecretsManager-Secrets", start="1000"),
    ],
}


def offer_file(offer: str, rows: list[str]) -> str:
    published = "2026-09-30" if offer == "AmazonRDS" else "2026-10-15"
    head = [
        '"FormatVersion","v1.0"',
        '"Disclaimer","This pricing list is for informational purposes only."',
        f'"Publication Date","{published}T17:06:31Z"',
        '"Version","20261015170631"',
        f'"OfferCode","{offer}"',
    ]
    return "\n".join([*head, HEADER, *rows]) + "\n"


@contextmanager
def price_server(files: dict[str, str]) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = files.get(self.path)
            self.send_response(200 if body is not None else 404)
            self.end_headers()
            self.wfile.write((body or "").encode())

        def log_message(self, format: str, *args: object) -> None:
            """Silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def download(url: str) -> Iterable[str]:
    with urllib.request.urlopen(url) as answer:
        yield from answer.read().decode().splitlines()


def paths(rows: dict[str, list[str]]) -> dict[str, str]:
    return {
        f"/offers/v1.0/aws/{offer}/current/eu-central-1/index.csv": offer_file(offer, found)
        for offer, found in rows.items()
    }


def test_price_list_api_gives_an_amount_for_every_item_but_spot() -> None:
    with price_server(paths(FILES)) as url:
        found = price_api.download_prices(replace(SETTINGS, endpoint=url), download)
    assert found.dated == "2026-09-30", "the oldest of the files"
    assert found.amounts["fargate_cpu_arm64"] == Decimal("0.04")
    assert found.amounts["fargate_cpu_x86_64"] == Decimal("0.05")
    assert found.amounts["rds_db_t4g_micro"] == Decimal("0.019")
    assert found.amounts["load_balancer"] == Decimal("0.027")
    assert found.amounts["secret"] == Decimal("0.4")
    items = {item.name for item in price_data.shipped_prices("eu-central-1").items}
    assert found.amounts.keys() == items - {price_data.SPOT_SHARE}


def test_price_list_without_an_expected_price_is_refused() -> None:
    with price_server(paths({**FILES, "AmazonRDS": FILES["AmazonRDS"][1:]})) as url, pytest.raises(AwsError) as refused:
        price_api.download_prices(replace(SETTINGS, endpoint=url), download)
    assert "rds_db_t4g_micro" in str(refused.value)


@pytest.mark.parametrize("body", ["", "<html>maintenance</html>", '"a","b","c"\n', "x\x00y"])
def test_other_text_than_a_price_list_is_refused(body: str) -> None:
    files = dict.fromkeys(paths(FILES), body)
    with price_server(files) as url, pytest.raises(AwsError):
        price_api.download_prices(replace(SETTINGS, endpoint=url), download)
