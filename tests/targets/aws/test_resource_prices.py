"""What orphans on AWS cost a day, by what AWS says about them. C2, P10."""

from __future__ import annotations

from decimal import Decimal

from programs.costs import PriceList
from programs.inventory import HeldResource
from programs.targets.aws.target import TARGET
from tests.targets.aws.aws_account import AwsAccount, marks
from tests.targets.aws.test_cleanup import NAME, World

AMOUNTS = {
    "fargate_cpu_x86_64": Decimal("0.04"),
    "fargate_memory_x86_64": Decimal("0.004"),
    "load_balancer": Decimal("0.0225"),
    "public_ipv4": Decimal("0.005"),
    "rds_db_t4g_micro": Decimal("0.016"),
    "rds_gp3": Decimal("0.73"),
    "secret": Decimal("0.73"),
}


def prices_of(account: AwsAccount, list_: PriceList) -> dict[str, Decimal | None]:
    """By kind, of all of the environment's resources."""
    settings = account.settings()
    resources = TARGET.list_resources(settings)
    found = TARGET.resource_prices(resources, settings, list_)
    return {item.kind: found.get(item) for item in resources}


def test_resources_cost_what_they_are_now(account: AwsAccount) -> None:
    World(account, NAME).create()
    list_ = TARGET.price_list(account.settings())
    found = prices_of(account, list_.override(AMOUNTS, "test"))
    balancer, secret = Decimal("0.0225") + 2 * Decimal("0.005"), Decimal("0.001")
    assert found["elasticloadbalancing:loadbalancer"] == balancer
    assert found["secretsmanager:secret"] == secret
    assert found["iam:role"] == found["ec2:vpc"] == found["sqs:queue"] == 0
    assert found["s3:bucket"] is None, "what is in it isn't known"
    assert found["ecs:service"] is None, "its tasks aren't on Fargate"
    assert found["rds:db"] is None, "only the price of gp3 is known"


def test_a_stopped_database_still_costs_its_storage(account: AwsAccount) -> None:
    client = account.clients().client("rds")
    database = {"DBInstanceIdentifier": "eph-main", "Engine": "postgres", "DBInstanceClass": "db.t4g.micro"}
    tags_ = [{"Key": key, "Value": value} for key, value in marks(NAME).items()]
    password = {"MasterUsername": "app", "MasterUserPassword": "long-enough-1"}
    client.create_db_instance(**database, **password, AllocatedStorage=20, StorageType="gp3", Tags=tags_)
    list_ = TARGET.price_list(account.settings()).override(AMOUNTS, "test")
    assert prices_of(account, list_) == {"rds:db": Decimal("0.036")}
    client.stop_db_instance(DBInstanceIdentifier="eph-main")
    assert prices_of(account, list_) == {"rds:db": Decimal("0.020")}


def test_without_a_price_the_cost_is_unknown(account: AwsAccount) -> None:
    World(account, NAME).create()
    found = prices_of(account, PriceList())
    assert found["rds:db"] is None
    assert found["elasticloadbalancing:loadbalancer"] is None
    assert found["ec2:security-group"] == 0


def test_a_resource_that_no_longer_exists_has_no_price(account: AwsAccount) -> None:
    gone = HeldResource("rds:db", "eph-gone", NAME)
    assert TARGET.resource_prices([gone], account.settings(), PriceList()) == {}
