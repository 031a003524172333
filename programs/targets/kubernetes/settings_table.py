"""The table ``[kubernetes]`` of eph.toml."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr

from programs.settings import (
    TEMPLATES_DESCRIPTION,
    PreviewVariables,
    ServerContext,
    StringList,
    TargetSettings,
    TemplateDatabases,
    as_text,
    template_names,
)
from programs.targets.kubernetes import wording


class KubernetesTargetSettings(TargetSettings):
    """The target `kubernetes`: a namespace of a cluster for each environment."""

    kubeconfig: Path | None = Field(
        default=None,
        description="Path to the kubeconfig. Empty: the pod's service account, or else ~/.kube/config.",
    )
    context: str = Field(default="", description="The kubeconfig context. Empty: the current context.")
    role: str = Field(
        default="",
        description="A ClusterRole that Eph binds to its own service account in each environment's namespace, so "
        "that it needs no permissions in other namespaces. Empty: it has the permissions already.",
    )
    account: str = Field(default="", description="Eph's service account, as namespace/name.")
    front: Literal["ingress", "eph"] = Field(
        default="ingress",
        description="What routes traffic to previews. ingress: the ingress controller, with an Ingress or HTTPRoute "
        "for each preview. eph: Eph's gateway as a pod in the cluster, without Ingresses; it sees every request.",
    )
    front_namespace: str = Field(default="", description="With front = eph, the namespace of the gateway's pod.")
    front_labels: StringList = Field(
        default=(),
        description=(
            "With front = eph, the labels of the gateway's pod, each as key=value. Nothing else can reach previews."
        ),
    )
    ingress_class: str = Field(default="", description="The ingress class. Empty: the cluster's default.")
    ingress_namespace: str = Field(
        default="ingress",
        description="The namespace of the ingress controller. Nothing else can reach previews from outside.",
    )
    ingress_url: str = Field(
        default="",
        description="The URL of the ingress controller, such as http://10.0.0.5. With front = ingress, the "
        "gateway uses it for readiness checks; with front = eph, ephd uses it to check previews as visitors "
        "reach them.",
    )
    ingress_annotations: StringList = Field(
        default=(),
        description=(
            "Annotations on every Ingress or HTTPRoute, each as key=value, for example for cert-manager or "
            "external-dns."
        ),
    )
    gateway: str = Field(
        default="",
        description=(
            "A Gateway, as namespace/name or namespace/name/listener. Eph then creates HTTPRoutes instead of Ingresses."
        ),
    )
    tls_secret: str = Field(
        default="",
        description="The Secret with the wildcard certificate for every Ingress; namespace/name is copied to each "
        "environment, and previews can't read it.",
    )
    pod_security: Literal["restricted", "baseline", "privileged"] = Field(
        default="restricted", description="The Pod Security level that namespaces enforce."
    )
    cpu: str = Field(default="4", description="The maximum CPU of one environment; eph.yaml can set less.")
    memory: str = Field(default="4Gi", description="The maximum memory of one environment; eph.yaml can set less.")
    disk: str = Field(
        default="20Gi", description="The maximum storage of one environment's volumes; eph.yaml can set less."
    )
    ephemeral_storage: str = Field(
        default="10Gi",
        description="The maximum ephemeral storage of one container: logs, and files outside of volumes.",
    )
    pods: int = Field(default=40, ge=1, description="The maximum number of pods of one environment.")
    egress: Literal["internet", "none"] = Field(
        default="internet",
        description="What previews and their test suites can connect to: the internet without private networks, or "
        "nothing.",
    )
    egress_allow: StringList = Field(
        default=(), description="Additional networks that they can connect to, such as 10.1.2.0/24."
    )
    storage_class: str = Field(
        default="",
        description="The storage class of volumes. Empty: databases and volumes live only as long as their pod.",
    )
    env: PreviewVariables = Field(
        default={}, description="Variables for every container of previews. Previews can read them."
    )
    postgres_image: str = Field(
        default="postgres:{version}", description="The PostgreSQL image; {version} is the version from eph.yaml."
    )
    postgres_user: int = Field(default=999, ge=1, description="The numeric user ID that this image runs as.")
    redis_image: str = Field(
        default="redis:7", description="The image of `engine: redis`, with redis-server and redis-cli."
    )
    redis_user: int = Field(default=999, ge=1, description="The numeric user ID that it runs as.")
    mysql_image: str = Field(
        default="mariadb:11",
        description="The image of `engine: mysql`, with MariaDB's server and client.",
    )
    mysql_user: int = Field(default=999, ge=1, description="The numeric user ID that it runs as.")
    mail_image: str = Field(
        default="",
        description="The image of the mail catcher: Eph's own, which the chart sets. Empty: `mail` is rejected.",
    )
    mail_user: int = Field(default=10001, ge=1, description="The numeric user ID that it runs as.")
    postgres: SecretStr = Field(
        default=SecretStr(""),
        description="An administrator URL of a PostgreSQL server that environments share, for prepared databases.",
    )
    postgres_address: str = Field(
        default="", description="The address of that server for pods, as host or host:port. Empty: as in the URL."
    )
    databases: Literal["namespace", "shared"] = Field(
        default="namespace",
        description="Where empty and seeded databases run: on a server in each namespace, or on the shared one.",
    )
    templates: TemplateDatabases = Field(default=(), description=TEMPLATES_DESCRIPTION)
    pull_secret_file: Path | None = Field(
        default=None, description="A Docker configuration file with registry credentials; previews can't read it."
    )
    pull_secrets: StringList = Field(
        default=(),
        description="Docker configuration files of some repositories, each as REPOSITORY=FILE, such as "
        "acme/*=/etc/eph/acme.json. The first match is used instead of pull_secret_file.",
    )
    registries: StringList = Field(
        default=(),
        description="Prefixes of allowed images. Empty: any image on the public internet.",
    )
    plain_http: StringList = Field(
        default=(), description="Registries to reach without TLS; they may be in a private network."
    )
    helm: str = Field(default="", description="Path to helm. Empty: helm on PATH.")
    kustomize: str = Field(default="", description="Path to kustomize. Empty: kustomize on PATH.")
    spot: str = Field(
        default="",
        description="A node label, as key=value: previews run on these nodes and tolerate a taint of the same name.",
    )
    spot_nodes: Literal["required", "preferred"] = Field(
        default="required", description="required: only on these nodes. preferred: on other nodes if these are full."
    )
    suite_first_uid: int = Field(
        default=2_340_000, ge=1000, description="If Eph runs as root: the first of the users of test suites."
    )

    def to_mapping(self, server: ServerContext) -> dict[str, str]:
        """Tests run on Eph's machine, so they get the tools that the server grants there. ``env`` is for containers."""
        own = super().to_mapping(server)
        return {**own, **server.tools.to_mapping(), "env": own["env"], "tools_env": as_text(server.tools.variables)}

    def template_names(self) -> frozenset[str]:
        return template_names(self.templates)

    def image_registries(self) -> tuple[str, ...]:
        return self.registries

    def wakes_on_request(self) -> bool:
        return self.front == "eph"

    def label_deploy_obstacle(self) -> str:
        return "" if self.front == "eph" else wording.NO_GATEWAY_FRONT

    def probe_url(self) -> str:
        return self.ingress_url if self.front == "eph" else ""
