"""The mail catcher: a pod whose SMTP port services reach, and whose page has a host name of its own."""

from __future__ import annotations

from pulumi import Resource

from programs.targets.kubernetes import wording
from programs.targets.kubernetes.program.resource_builder import ResourceBuilder, ResourceGroup
from programs.targets.kubernetes.rendering import servers

MAIL_TIMEOUT = 120


def create(builder: ResourceBuilder) -> list[Resource]:
    """Returns what services wait for."""
    environment = builder.environment
    if not environment.spec.mail:
        return []
    part = ResourceGroup("Mail", "mail")
    service = builder.apply(servers.mail_service(), part)
    data = servers.mail_stateful_set(environment.settings, environment.labels)
    made = builder.apply(data, part, [service, *builder.namespace_parts])
    return [builder.wait_until_ready(made, data, wording.MAIL_CATCHER, MAIL_TIMEOUT)]
