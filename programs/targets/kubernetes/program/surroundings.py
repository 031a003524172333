"""The objects that every environment has in its namespace: limits, network policies, secrets, a service account."""

from __future__ import annotations

from pulumi import Output

from programs import registry
from programs.targets.kubernetes.api import object_names
from programs.targets.kubernetes.program.environment import KubernetesEnvironment
from programs.targets.kubernetes.rendering import namespace_objects
from programs.targets.kubernetes.rendering.namespace_objects import Data


def mark(environment: KubernetesEnvironment) -> Data:
    """The input of the first resource: whose the stack is, and which images it runs."""
    spec = environment.spec
    pinned = {"commit": spec.source.commit, "images": dict(environment.prepared.images), "found": dict(spec.found)}
    return {
        registry.ENVIRONMENT_INPUT: spec.name,
        registry.TARGET_INPUT: spec.target,
        registry.PINNED_INPUT: pinned,
    }


def objects(environment: KubernetesEnvironment) -> list[Data]:
    spec, settings, prepared = environment.spec, environment.settings, environment.prepared
    found = [
        namespace_objects.resource_quota(spec, settings),
        namespace_objects.limit_range(spec, settings),
        namespace_objects.service_account(),
    ]
    found += namespace_objects.network_policies(
        settings, environment.public_ports(), prepared.database_server, prepared.api_server
    )
    secret = namespace_objects.pull_secret(settings)
    found += [secret] if secret else []
    found += [_secrets(environment)] if spec.secrets else []
    if prepared.certificate:
        found.append(namespace_objects.certificate_secret(Output.secret(dict(prepared.certificate))))
    return found


def _secrets(environment: KubernetesEnvironment) -> Data:
    """The server's secrets for this environment. They are encrypted in the state, and no pod spec contains a value."""
    return namespace_objects.new_object(
        "Secret", object_names.SECRETS, {"stringData": Output.secret(environment.spec.secret_values)}
    )
