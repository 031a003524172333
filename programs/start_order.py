"""The order in which services start: each after the services it depends on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from programs.spec import ServiceSpec


def in_order(services: tuple[ServiceSpec, ...]) -> list[ServiceSpec]:
    """Each service after the services it names. The caller guarantees that there is no cycle."""
    placed: dict[str, ServiceSpec] = {}
    waiting = list(services)
    while waiting:
        item = next(one for one in waiting if all(name in placed for name in one.after))
        waiting.remove(item)
        placed[item.name] = item
    return list(placed.values())


def find_cycle(dependencies: Mapping[str, Iterable[str]]) -> list[str]:
    """The services that wait for each other; empty if there is an order."""
    left = {name: set(after) & dependencies.keys() for name, after in dependencies.items()}
    while free := [name for name, after in left.items() if not after & left.keys()]:
        for name in free:
            del left[name]
    # Drop services that wait but that no other service waits for.
    while idle := left.keys() - {name for after in left.values() for name in after}:
        left = {name: after for name, after in left.items() if name not in idle}
    return sorted(left)
