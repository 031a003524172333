"""What the cluster refused or doesn't have, and names and amounts that it wouldn't accept."""

from __future__ import annotations

NOT_CONFIGURED = "No cluster is configured. Set kubernetes.kubeconfig, or run Eph in a cluster."


def not_found(path: str) -> str:
    return f"{path} doesn't exist in the cluster"


def was_replaced(path: str) -> str:
    return f"{path} was replaced meanwhile"


def access_denied(method: str, path: str, problem: str) -> str:
    return f"The cluster denied {method} {path}: {problem}. Check the account's permissions."


def responded_with(status: int, method: str, path: str, problem: str) -> str:
    return f"The cluster responded with {status} to {method} {path}: {problem}"


def unreachable(kind: str, error: BaseException) -> str:
    return f"The cluster doesn't respond: {kind}: {error}"


def kubeconfig_unreadable(path: str, problem: str | None) -> str:
    return f"Can't read the kubeconfig {path}: {problem}"


def invalid_kubeconfig(path: str, error: Exception) -> str:
    """An empty path: the one of the account that Eph runs as."""
    return f"Invalid kubeconfig {path or 'of this account'}: {error}"


def namespace_is_not_ours(namespace: str) -> str:
    return (
        f"The namespace {namespace} exists but doesn't belong to this server. To inspect it: "
        f"kubectl get namespace {namespace} --show-labels"
    )


def no_access_to_namespace(account: str, namespace: str, binding: str, role: str) -> str:
    return (
        f"The account {account} has no access to namespace {namespace}, although {binding} binds it to {role}. "
        f"To find out why: kubectl describe clusterrole {role}"
    )


def invalid_namespace(name: str) -> str:
    return f"Environment {name!r} isn't a valid namespace name"


def invalid_service(name: str, reserved: str) -> str:
    return (
        f"Service {name!r}: names consist of 1 to 63 lowercase letters, digits and dashes, start with a letter, "
        f"and can't start with {reserved}"
    )


def invalid_quantity(text: str) -> str:
    return f"Invalid quantity {text!r}. Use a value such as 500m or 2 for CPU, 512Mi or 2Gi for memory and disk."
