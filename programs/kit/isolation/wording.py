"""What people read about an environment's isolation: its disk, its network and its namespaces."""

from __future__ import annotations

SHARED_SERVER = "shared by all environments"
MEASURES_DISK = "measures all environments"


def disk_full(used: str, limit: str) -> str:
    return (
        f"The environment uses {used} of disk, but its limit is {limit} (setting 'disk_bytes'). "
        "Remove the environment and create it again, or raise the limit."
    )


def namespaces_of(environment: str) -> str:
    return f"the namespaces of {environment}"


def namespaces_not_created(environment: str) -> str:
    return f"The namespaces of environment {environment} couldn't be created"


def users_taken(count: int, first: int) -> str:
    return f"all {count} users from {first} are taken"


def not_started(name: str) -> str:
    return f"The process {name} didn't start"


def relay_failed(environment: str, reason: str) -> str:
    return f"The relay doesn't serve environment {environment}: {reason}"


def broker_down(error: Exception) -> str:
    return f"the broker of environments' sockets doesn't respond: {error}"


def no_domain(environment: str, reason: str) -> str:
    return f"environment {environment} has no domain: {reason}"


# --- Outbound traffic

NOT_A_PROXY_REQUEST = "The proxy accepts well-formed HTTP/1.1 requests for http:// URLs, and CONNECT."


def not_public(host: str) -> str:
    return f"{host} isn't a public address. An operator can allow its network: setting egress_allow."


def unreachable(error: Exception) -> str:
    return f"The destination can't be reached: {error}"


def proxy_refused(status: str) -> str:
    return f"the upstream proxy responded with {status!r}"
