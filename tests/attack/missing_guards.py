"""Guards, how each is disabled, and an attack that succeeds without it."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.sabotage import patched_copy
from tests.sabotage.guards import Patch

TIMEOUT = 300


@dataclass(frozen=True, slots=True)
class MissingGuard:
    """``attack``: as in its line, after the row."""

    name: str
    patch: Patch
    attack: str


GUARDS = (
    MissingGuard(
        "manifests are judged field by field",
        Patch(
            "programs/targets/kubernetes/manifests/field_checks.py",
            '                yield wording.fields.not_allowed(f"{where}.{key}")',
            "                continue",
        ),
        "manifests: set spec.template.spec.hostNetwork",
    ),
    MissingGuard(
        "the signature of a webhook is verified",
        Patch(
            "orchestrator/forges/github/webhooks/webhook_events.py",
            "    return hmac.compare_digest(sign(secret, body).encode(), signature.encode())",
            "    return True",
        ),
        "webhooks: send one with a signature with a guessed secret",
    ),
    MissingGuard(
        "header names are normalised",
        Patch(
            "orchestrator/gateway/proxy/headers.py",
            '    return name.lower().replace("_", "-")',
            "    return name.lower()",
        ),
        "gateway: forge the header X_Real_IP",
    ),
    MissingGuard(
        "a guard watches the sessions of the shared PostgreSQL",
        Patch("programs/targets/local/target.py", "        session_guard.ensure(host)\n", ""),
        "shared PostgreSQL: take every lock of the server",
    ),
)

CLUSTER_GUARD = MissingGuard(
    "pods reach no private network",
    Patch(
        "programs/targets/kubernetes/rendering/egress.py",
        'PRIVATE_NETWORKS = ("10.0.0.0/8", ',
        "PRIVATE_NETWORKS = (",
    ),
    "pods' network: connect to a pod that isn't a preview's",
)
"""It needs a cluster."""


def run_without(guard: MissingGuard, *options: str, timeout: float = TIMEOUT) -> subprocess.CompletedProcess[str]:
    """Runs the attack on a copy of the code without the guard. Everything that the attack starts uses the copy."""
    with tempfile.TemporaryDirectory(prefix="eph-attack-") as place:
        folder = patched_copy.copy_code(Path(place), [guard.patch])
        for name in ("tests", "infra", "pyproject.toml"):
            (folder / name).symlink_to(patched_copy.ROOT / name)
        env = {**os.environ, "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
        command = [sys.executable, "-m", "tests.attack", "--only", guard.attack, *options]
        return subprocess.run(
            command, cwd=folder, env=env, capture_output=True, text=True, timeout=timeout, check=False, stdin=-3
        )
