"""What a target holds, read from the target itself: each resource, its environment, and the command that removes it.

``part`` is the matching resource in Pulumi's state (``Database:shop-gentle-stream-42/eph_shop_1``), if there is one.
Comparing the two sets finds resources that no state knows, and resources in the state that no longer exist.
"""

from __future__ import annotations

from dataclasses import dataclass

DRIFTED = "changed"
"""A key of ``registry.DetectsDrift.live_resources``: parts that exist but have been changed."""

UNUSED_DATABASES = "unused databases"
"""A key of ``registry.DetectsDrift.live_resources``: ``ENVIRONMENT/DATABASE/VARIABLE`` of each database that no service
has connected to since the environment was last built, although it had time to."""

PROCESS_KINDS = "processes"
"""A key of ``registry.DetectsDrift.live_resources``: the kinds whose parts are processes."""


@dataclass(frozen=True, slots=True, order=True)
class HeldResource:
    """``kind`` and ``name`` are for people, ``environment`` is the environment the resource is marked with, and
    ``removal_command`` removes it by hand.

    ``is_supervised`` False: nothing manages the process any more, so it is a leftover whatever the state says.
    """

    kind: str
    name: str
    environment: str
    resource_id: str = ""
    removal_command: str = ""
    is_supervised: bool = True
