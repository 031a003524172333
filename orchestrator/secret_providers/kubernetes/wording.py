"""What people read about secrets in a Kubernetes cluster."""

from __future__ import annotations

EXAMPLE = "eph/stripe#key (namespace/secret#key)"


def secret(reference: str) -> str:
    return f"the Kubernetes Secret {reference}"


def missing(secret: str) -> str:
    return f"{secret} doesn't exist; create it"


def denied(secret: str) -> str:
    return f"the cluster denies access to {secret}; allow Eph's account the verb get on that Secret"


def failed(status: int) -> str:
    return f"the cluster responded with {status}; check its API server"


NOT_A_SECRET = "the cluster's answer isn't a Secret; check the kubeconfig"


def invalid_kubeconfig(path: str) -> str:
    """``path`` is empty for the kubeconfig of ephd's own account."""
    return f"the kubeconfig {path or 'of this account'} is invalid; check secret_providers.kubernetes"


def unreachable(problem: str) -> str:
    return f"the cluster doesn't respond ({problem}); check it and secret_providers.kubernetes"
