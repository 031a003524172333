"""What orphans in the cluster cost: what their pods and volumes reserve. C2, P10."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from programs.targets.kubernetes import resource_prices

GIBIBYTE = Decimal(1024**3)
POD = {"containers": [{"resources": {"limits": {"cpu": "2", "memory": "1Gi"}}}, {"name": "without limits"}]}
CLAIM = {"resources": {"requests": {"storage": "5Gi"}}}


@pytest.mark.parametrize(
    ("kind", "about", "expected"),
    [
        ("pod", POD, (Decimal("2.5"), Decimal("1.5") * GIBIBYTE, Decimal(0))),
        ("deployment", {"replicas": 2, "template": {"spec": POD}}, (Decimal(5), 3 * GIBIBYTE, Decimal(0))),
        ("deployment", {"replicas": 0, "template": {"spec": POD}}, (Decimal(0), Decimal(0), Decimal(0))),
        (
            "statefulset",
            {"template": {"spec": POD}, "volumeClaimTemplates": [{"spec": CLAIM}]},
            (Decimal("2.5"), Decimal("1.5") * GIBIBYTE, 5 * GIBIBYTE),
        ),
        ("persistentvolumeclaim", CLAIM, (Decimal(0), Decimal(0), 5 * GIBIBYTE)),
    ],
)
def test_amounts_are_those_that_the_object_reserves_now(
    kind: str, about: dict[str, Any], expected: tuple[Decimal, Decimal, Decimal]
) -> None:
    found = resource_prices.amounts(kind, {"spec": about})
    assert (found.cpu, found.memory, found.disk) == expected
