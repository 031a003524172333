"""Which services of the manifests people can open, and why others can't be."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def host_name_too_long(service: str, label: str, limit: int) -> str:
    return f"the public service {service} would get the host name {label}, which is longer than {limit} characters"


def use_shorter_name(problem: str) -> str:
    return f"eph.yaml, kubernetes.public: {problem}; use a shorter name"


def not_public(problem: str) -> str:
    return f"{problem}, so it isn't public. List the public services in kubernetes.public, with short names"


def no_choice(services: Iterable[str]) -> str:
    return (
        f"Can't choose the public service among {', '.join(services)}. Set kubernetes.public in eph.yaml to one of "
        "them, or add an Ingress"
    )


def several_match(service: str, matching: Iterable[str]) -> str:
    return f"eph.yaml, kubernetes.public: several services match {service!r}: {', '.join(matching)}"


def unknown_service(service: str, known: Sequence[str]) -> str:
    listed = ", ".join(known) or "none"
    return f"eph.yaml, kubernetes.public: the manifests have no service {service!r}; their services: {listed}"


ROUTES_NOWHERE = "no rule has a path that routes to a service"


def route_to_unknown(service: str) -> str:
    return f"it routes to a service {service!r} that isn't among the manifests"


def routes_omitted(services: Iterable[str]) -> str:
    return f"its routes to {', '.join(services)} are left out. Services listed in kubernetes.public have their own URLs"


NO_PORTS = "it has no ports"


def no_port(port: object) -> str:
    return f"it has no port {port}"
