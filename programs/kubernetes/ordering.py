"""The order in which services start: each after those that it names."""

from __future__ import annotations

from programs.spec import ServiceSpec


def in_order(services: tuple[ServiceSpec, ...]) -> list[ServiceSpec]:
    """Each after those that it names; ``target`` has made sure that there is no circle."""
    placed: dict[str, ServiceSpec] = {}
    waiting = list(services)
    while waiting:
        item = next(one for one in waiting if all(name in placed for name in one.after))
        waiting.remove(item)
        placed[item.name] = item
    return list(placed.values())


def circle(services: tuple[ServiceSpec, ...]) -> list[str]:
    """The services that wait for each other; none when there is an order."""
    left = {item.name: set(item.after) for item in services}
    while free := [name for name, after in left.items() if not after & left.keys()]:
        for name in free:
            del left[name]
    return sorted(left)
