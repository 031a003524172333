"""Variables that people set for one environment (Y5). They override those of eph.yaml.

Their one home is the stack's tag, where they are encrypted as a whole. No value of a secret is in here: a secret has a
mark, which changes with its value and reveals nothing about it.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass, field, replace

from programs.spec import EnvironmentSpec, Secret


@dataclass(frozen=True, slots=True)
class VariableOverrides:
    """``sealed`` is what the tag contains; ``error`` says why it can't be decrypted."""

    sealed: str = ""
    plain: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict)
    """The mark of each secret, by variable."""
    error: str = ""


NO_OVERRIDES = VariableOverrides()
OVERRIDE_SECRET = ""
"""The name of a secret that isn't one of the server's."""


def with_overrides(spec: EnvironmentSpec, overrides: VariableOverrides) -> EnvironmentSpec:
    """The spec of an environment with these variables. They also win over those of a single service."""
    names = overrides.plain.keys() | overrides.secrets.keys()
    if not names:
        return spec
    secrets = {name: Secret(OVERRIDE_SECRET, mark) for name, mark in overrides.secrets.items()}
    return replace(
        spec,
        env=_without(spec.env, names) | dict(overrides.plain),
        services=tuple(replace(service, env=_without(service.env, names)) for service in spec.services),
        secrets={name: secret for name, secret in spec.secrets.items() if name not in names} | secrets,
    )


def _without(env: Mapping[str, str], names: Set[str]) -> dict[str, str]:
    return {name: value for name, value in env.items() if name not in names}
