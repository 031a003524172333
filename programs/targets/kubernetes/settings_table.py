"""The table ``[kubernetes]`` of eph.toml."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr

from programs.settings import StringList
from programs.target_settings import (
    TEMPLATES_DESCRIPTION,
    ServerContext,
    TargetSettings,
    TemplateDatabases,
    template_names,
)


class KubernetesTargetSettings(TargetSettings):
    """The target `kubernetes`: a namespace of a cluster for each environment."""

    kubeconfig: Path | None = Field(
        default=None,
        description="The file that lets in at the cluster. Empty: the pod's own account, else ~/.kube/config.",
    )
    context: str = Field(default="", description="The context in that file. Empty: the current one.")
    role: str = Field(
        default="",
        description="A ClusterRole that Eph's account binds itself in each environment's namespace, so that it needs "
        "no rights in others. Empty: it has them already.",
    )
    account: str = Field(default="", description="That account, as namespace/name.")
    front: Literal["ingress", "eph"] = Field(
        default="ingress",
        description="Who leads people to previews. ingress: the ingress controller, by an Ingress or HTTPRoute of "
        "each. eph: Eph's own gateway, a pod of that cluster; then they have none, and it sees all who come.",
    )
    front_namespace: str = Field(default="", description="With front = eph, the namespace of the gateway's pod.")
    front_labels: StringList = Field(
        default=(), description="And that pod's labels, key=value each: nothing else reaches previews from outside."
    )
    ingress_class: str = Field(default="", description="The class of every Ingress. Empty: the cluster's default.")
    ingress_namespace: str = Field(
        default="ingress", description="Where the ingress controller runs: nothing else reaches previews from outside."
    )
    ingress_url: str = Field(
        default="",
        description="Where the ingress controller is reached, such as http://10.0.0.5: with front = ingress by the "
        "gateway, which is needed for readiness; with front = eph by ephd, to ask previews the whole way people come.",
    )
    ingress_annotations: StringList = Field(
        default=(),
        description="What every Ingress or HTTPRoute carries, key=value each, as for cert-manager or external-dns.",
    )
    gateway: str = Field(
        default="",
        description="A Gateway, namespace/name or namespace/name/listener: HTTPRoutes are made in place of Ingresses.",
    )
    tls_secret: str = Field(
        default="",
        description="The Secret with the certificate that every Ingress names; namespace/name is copied to each "
        "environment, where no preview can read it.",
    )
    pod_security: Literal["restricted", "baseline", "privileged"] = Field(
        default="restricted", description="The level of Pod Security that namespaces enforce."
    )
    cpu: str = Field(default="4", description="The most CPU of one environment in all; its eph.yaml may ask for less.")
    memory: str = Field(default="4Gi", description="The most memory of one environment in all, likewise.")
    disk: str = Field(default="20Gi", description="The most storage that its volumes may ask for, likewise.")
    pods: int = Field(default=40, ge=1, description="The most pods of one environment.")
    egress: Literal["internet", "none"] = Field(
        default="internet", description="Whom previews may call: the internet without private networks, or nobody."
    )
    egress_allow: StringList = Field(
        default=(), description="Networks that they may call besides, such as 10.1.2.0/24."
    )
    storage_class: str = Field(
        default="", description="The class of volumes. Empty: databases and volumes live as long as their pod."
    )
    postgres_image: str = Field(
        default="postgres:{version}", description="The image of databases; {version} is the one that eph.yaml asks for."
    )
    postgres_user: int = Field(default=999, ge=1, description="The numeric user that this image runs as.")
    postgres: SecretStr = Field(
        default=SecretStr(""),
        description="An administrator's URL of a PostgreSQL server that environments share, for prepared databases.",
    )
    postgres_address: str = Field(
        default="", description="Where pods reach that server, host or host:port. Empty: as in the URL."
    )
    databases: Literal["namespace", "shared"] = Field(
        default="namespace",
        description="Where empty and seeded databases live: a server in each namespace, or that shared one.",
    )
    templates: TemplateDatabases = Field(default=(), description=TEMPLATES_DESCRIPTION)
    pull_secret_file: Path | None = Field(
        default=None, description="A Docker configuration with credentials for registries; no preview can read it."
    )
    registries: StringList = Field(
        default=(),
        description="Where images may come from, as prefixes. Empty: anywhere on the public internet.",
    )
    plain_http: StringList = Field(
        default=(), description="Registries that are asked without TLS; they may lie in a private network."
    )
    helm: str = Field(default="", description="The program that renders Helm charts. Empty: helm on PATH.")
    spot: str = Field(
        default="", description="A label of nodes, key=value: previews run on these and tolerate that taint."
    )
    spot_nodes: Literal["required", "preferred"] = Field(
        default="required", description="required: on these nodes only. preferred: on others when these have no room."
    )

    def to_mapping(self, server: ServerContext) -> dict[str, str]:
        """Tests run on Eph's own machine, so they get the tools that the server grants there."""
        tools = {"toolbox": os.pathsep.join(server.tools.toolbox), "path": server.tools.path}
        return {**super().to_mapping(server), **tools}

    def template_names(self) -> frozenset[str]:
        return template_names(self.templates)

    def image_registries(self) -> tuple[str, ...]:
        return self.registries

    def probe_url(self) -> str:
        return self.ingress_url if self.front == "eph" else ""
