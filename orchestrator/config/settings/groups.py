"""The groups of the server's settings. What may hold a secret is never repeated in an error."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr, model_validator

from orchestrator.config.settings.setting_types import (
    DurationSetting,
    Networks,
    TemplateDatabases,
)
from orchestrator.forges.settings import Repositories
from programs.settings import InvalidValue, SettingsTable, StringList

_TEMPLATES_TEXT = (
    "Prepared databases of that PostgreSQL server that any repository may have cloned, name=database each."
)


class TtlSettings(SettingsTable):
    """How long environments live, from the first sight of their newest commit."""

    default: DurationSetting = Field(default=timedelta(hours=72), description="For an eph.yaml that does not say.")
    most: DurationSetting = Field(default=timedelta(days=30), description="The longest that an eph.yaml may ask for.")

    warning: DurationSetting = Field(
        default=timedelta(hours=4), description="How long before the end people are warned; at most a quarter of all."
    )

    @model_validator(mode="after")
    def _check_order(self) -> TtlSettings:
        if self.default > self.most:
            raise InvalidValue("the default is longer than the most", "lower it, or raise ttl.most", ("default",))
        return self


class IdleSettings(SettingsTable):
    """Previews that nobody uses."""

    timeout: DurationSetting | None = Field(
        default=None,
        description="After how long without a visit they sleep, for an eph.yaml that does not say. Empty: never.",
    )
    awake: DurationSetting = Field(
        default=timedelta(hours=1), description="How long one stays awake that somebody woke outside of its hours."
    )


class LimitsSettings(SettingsTable):
    """How much of everything there may be; what is over waits in the queue or is refused with a reason."""

    environments: int = Field(default=50, ge=1, description="Environments in all.")
    per_repository: int = Field(default=20, ge=1, description="Environments of one repository.")
    refs: int = Field(default=20, ge=0, le=500, description="Branches and tags of one repository that are looked at.")
    concurrent: int = Field(default=4, ge=1, le=64, description="Operations at once, of any kind.")
    concurrent_destroys: int = Field(default=2, ge=1, le=64, description="Of which destroys while creations wait.")
    spare_memory: int = Field(
        default=256,
        ge=0,
        description="Megabytes that stay free: with less, fewer operations run at once. 0: memory bounds nothing.",
    )
    suites: int = Field(default=2, ge=1, le=64, description="Suites of tests at once, over all environments.")
    services: int = Field(default=10, ge=1, description="Services of one environment.")
    public_services: int = Field(default=5, ge=1, description="Services of one environment with a host name.")
    databases: int = Field(default=3, ge=0, description="Databases of one environment.")
    command: DurationSetting = Field(default=timedelta(minutes=30), description="The longest timeout of a command.")
    health: DurationSetting = Field(
        default=timedelta(minutes=15), description="The longest deadline of a health check."
    )
    file_bytes: int = Field(default=65536, ge=1024, le=1048576, description="The largest eph.yaml, in bytes.")


class TargetsSettings(SettingsTable):
    """What environments may be made of."""

    allowed: StringList = Field(default=("local",), min_length=1, description="The targets that an eph.yaml may name.")
    default: str = Field(default="local", description="The target of an eph.yaml that names none.")

    @model_validator(mode="after")
    def _check_default(self) -> TargetsSettings:
        if self.default not in self.allowed:
            raise InvalidValue("the default target is not among the allowed ones", "add it to allowed", ("default",))
        return self


class LedgerSettings(SettingsTable):
    """The event log."""

    keep: DurationSetting = Field(
        default=timedelta(days=90), description="How long events stay; the newest of each environment always does."
    )


class ForksSettings(SettingsTable):
    """Pull requests that come from a fork. Whatever is set here, nothing of one runs because of its label alone."""

    allow: Literal["refuse", "approve"] = Field(
        default="approve",
        description="refuse: nothing of a fork ever runs. approve: a commit runs once somebody with write access "
        "approved that very one.",
    )
    guarded: Literal["refuse", "approve"] = Field(
        default="approve",
        description="The same for targets that run only what people with write access pushed, such as `local`.",
    )


class ReplicasSettings(SettingsTable):
    """Several ephd for the same repositories: one leads, and another takes over when it dies."""

    lease: Literal["none", "postgres"] = Field(
        default="none",
        description="none: this ephd is the only one. postgres: several share ledger_url's PostgreSQL, and one leads.",
    )
    shared: Path | None = Field(
        default=None,
        description="The folder that all replicas share: stacks, keys, records, previews. Each has a home of its own.",
    )
    url: str = Field(
        default="", description="Where the other replicas reach this one's API. Empty: http:// and what listen says."
    )

    @model_validator(mode="after")
    def _check_reachable(self) -> ReplicasSettings:
        if self.url and not self.url.startswith(("http://", "https://")):
            raise InvalidValue("this is not a URL", "write for example http://eph-1.internal:8081", ("url",))
        if self.lease == "postgres" and self.shared is None:
            raise InvalidValue(
                "several replicas need a folder that all of them share",
                "set replicas.shared to it, and give each replica a home of its own",
                ("shared",),
            )
        return self


class PreviewsSettings(SettingsTable):
    """The door in front of previews."""

    sign_in: Literal["off", "asked", "all"] = Field(
        default="off",
        description="Whether people sign in to see a preview. asked: where eph.yaml's protection asks for it. all.",
    )
    proxies: Networks = Field(
        default=(),
        description="Networks or addresses of what stands in front of the gateway, such as an ingress controller: what "
        "it says of the visitor (X-Forwarded-For, X-Forwarded-Proto) is believed.",
    )


class PreviewSecret(SettingsTable):
    """A secret that previews may be given: where its value is, and whose previews may name it."""

    file: Path | None = Field(default=None, description="The file that holds the value.")
    variable: str = Field(default="", description="The variable of ephd that holds it instead.")
    repositories: Repositories = Field(min_length=1, description="Whose eph.yaml may name it: owner/name or owner/*.")
    forks: bool = Field(default=False, description="Whether an approved commit of a fork is given it, too.")

    @model_validator(mode="after")
    def _check_source(self) -> PreviewSecret:
        if (self.file is None) == (not self.variable):
            raise InvalidValue("a secret has one source", "set file or variable, one of the two", ("file",))
        return self


class LocalTargetSettings(SettingsTable):
    """The target `local`: processes and databases on this machine."""

    root: Path | None = Field(default=None, description="Where it keeps checkouts, logs, data. Empty: local in home.")
    toolbox: StringList = Field(
        default=(), description="More folders that previews may read, such as a language's own."
    )
    path: str = Field(default="/usr/local/bin:/usr/bin:/bin", description="The PATH that previews get.")
    sandbox: Literal["auto", "bubblewrap", "none"] = Field(
        default="auto",
        description="How previews are shut in. auto: by bubblewrap where it works. bubblewrap: or not at all. none.",
    )
    postgres: SecretStr = Field(
        default=SecretStr(""),
        description="An administrator's URL of the PostgreSQL server to use. Empty: a server of Eph's own.",
    )
    templates: TemplateDatabases = Field(default=(), description=_TEMPLATES_TEXT)
    checkout_bytes: int = Field(
        default=512 * 1024**2, ge=1024, description="The most that the files of one commit may hold, in bytes."
    )


class ImagesSettings(SettingsTable):
    """How images are found. Which registries may be asked, and with which credentials, the target says."""

    hosts: StringList = Field(
        default=(),
        description="Hosts that registries may send us to, with our credentials: for tokens, or where contents lie. "
        "*.example.com: all below it.",
    )
    architectures: StringList = Field(
        default=("amd64",),
        min_length=1,
        description="The architectures of the cluster's nodes; an image must have all.",
    )


class KubernetesTargetSettings(SettingsTable):
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
    templates: TemplateDatabases = Field(default=(), description=_TEMPLATES_TEXT)
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
