"""What single objects in the cluster cost, for an audit: what their pods and volumes reserve, as they are now.

A namespace costs nothing itself, because what is in it is listed, too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from programs.costs import PriceList
from programs.inventory import HeldResource
from programs.kit import machine_costs
from programs.kit.machine_costs import ReservedAmounts
from programs.targets.kubernetes import cost_estimate
from programs.targets.kubernetes.api import object_kinds
from programs.targets.kubernetes.api.cluster import ClusterClient, Data, ObjectNotFound

_WORKLOADS = ("deployment", "statefulset")
_DESCRIBED = (*_WORKLOADS, "pod", "persistentvolumeclaim")


def hourly_prices(
    client: ClusterClient, resources: Sequence[HeldResource], prices: PriceList, *, spot: bool
) -> Mapping[HeldResource, Decimal]:
    found = {}
    for item in resources:
        amounts = _described(client, item) if item.kind in _DESCRIBED else ReservedAmounts()
        price = machine_costs.hourly_price(prices, amounts, spot=spot) if amounts else None
        if price is not None:
            found[item] = price
    return found


def _described(client: ClusterClient, item: HeldResource) -> ReservedAmounts | None:
    """None if it no longer exists."""
    kind, _, id_ = item.resource_id.partition(":")
    try:
        return amounts(item.kind, client.get(object_kinds.object_path(kind, *id_.split("/", 1))))
    except ObjectNotFound:
        return None


def amounts(kind: str, data: Data) -> ReservedAmounts:
    """``kind`` in lower case, as in an inventory."""
    about = data.get("spec") or {}
    if kind == "persistentvolumeclaim":
        return ReservedAmounts(disk=_storage(about))
    if kind == "pod":
        return _pod(about)
    count = Decimal(about.get("replicas", 1))
    one = _pod((about.get("template") or {}).get("spec") or {})
    claims = sum((_storage(claim.get("spec") or {}) for claim in about.get("volumeClaimTemplates") or ()), Decimal(0))
    return ReservedAmounts(one.cpu * count, one.memory * count, claims * count)


def _pod(about: Data) -> ReservedAmounts:
    containers: Iterable[Any] = about.get("containers") or ()
    found = [_container(item) for item in containers]
    return ReservedAmounts(sum((one.cpu for one in found), Decimal(0)), sum((one.memory for one in found), Decimal(0)))


def _container(item: Data) -> ReservedAmounts:
    """Its limits, which also bound what it can use. The namespace's limit range applies to one without."""
    limits = (item.get("resources") or {}).get("limits") or {}
    return machine_costs.parse_resources(limits, *cost_estimate.CONTAINER_LIMITS)


def _storage(about: Data) -> Decimal:
    requests = (about.get("resources") or {}).get("requests") or {}
    return machine_costs.parse_amount(str(requests.get("storage") or "0"))
