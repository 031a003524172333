"""What a target holds, looked at on the target itself: one value for each thing, whose it says it is, and how to remove
it by hand.

``part`` is the resource in Pulumi's state that stands for the thing (``Database:shop-gentle-stream-42/eph_shop_1``),
where there is one: so a thing that no state knows, and a resource whose thing is gone, are found by comparing two sets.
"""

from __future__ import annotations

from dataclasses import dataclass

DRIFTED = "changed"
"""Among the kinds that stand (``registry.Stands``): whole parts that are there, and not as they were made."""

PROCESS_KINDS = "processes"
"""Among the kinds that stand: the kinds whose parts are processes."""


@dataclass(frozen=True, slots=True, order=True)
class HeldResource:
    """``kind`` and ``name`` for people, ``environment`` whose mark it carries, ``removal_command`` what removes it by
    hand.

    ``is_supervised`` False: nothing that should be alive looks after it, so it is a leftover whatever the state says.
    """

    kind: str
    name: str
    environment: str
    resource_id: str = ""
    removal_command: str = ""
    is_supervised: bool = True
