"""What people read about prices on AWS: the parts of an estimate, and price lists that can't be read."""

from __future__ import annotations

LOAD_BALANCER = "load balancer"
LOAD_BALANCER_ADDRESSES = "load balancer: public addresses"
SECRETS = "secrets"
EXCLUDED = ("data transfer", "requests", "log storage", "bucket contents", "container images")


def cpu_of(service: str) -> str:
    return f"{service}: CPU"


def memory_of(service: str) -> str:
    return f"{service}: memory"


def address_of(service: str) -> str:
    return f"{service}: public address"


def database(name: str) -> str:
    return f"{name}: database"


def storage_of(database: str) -> str:
    return f"{database}: storage"


def not_a_price_list(url: str, error: Exception) -> str:
    return f"{url} isn't a price list that Eph can read ({error})"


def prices_missing(url: str, items: str) -> str:
    return f"{url} has no price for {items}"
