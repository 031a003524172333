"""The server's settings, in order of priority: command line, variables ``EPH_…``, the file eph.toml, defaults.

``Settings(...)`` alone uses only its arguments; ``load`` (in ``loading``) reads the other sources. An empty folder, URL
or name is derived from ``home`` and the listen addresses, so one setting moves everything.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from pydantic import Field, create_model, model_validator

from orchestrator.config import file_names, wording
from orchestrator.config.eph_yaml.admission import AdmissionPolicy
from orchestrator.config.settings.setting_types import host_and_port, is_loopback
from orchestrator.config.settings.settings_fields import SettingsFields
from orchestrator.core.model.policy import DeployLimits, Policy
from orchestrator.forges import registry as forge_registry
from orchestrator.secret_providers import registry as secret_providers
from programs import registry
from programs.quoting import quote
from programs.registry import InvalidTarget, Prices, Sleeps
from programs.settings import InvalidValue, ServerContext, TargetSettings
from programs.spec import DEFAULT_TARGET
from stacks.backends import registry as backends

HTTPS_PORT = 443
_WILDCARD_ADDRESSES = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - compared, not bound


class ServerSettingsFile(SettingsFields):
    """Everything that an operator can set."""

    @model_validator(mode="after")
    def _check_ports(self) -> Self:
        port = host_and_port(self.listen)[1]
        if port and port == host_and_port(self.gateway_listen)[1]:
            raise InvalidValue(wording.settings.SAME_PORT, wording.settings.USE_DIFFERENT_PORTS, ("gateway_listen",))
        return self

    @model_validator(mode="after")
    def _check_tls(self) -> Self:
        """Without this, passwords and cookies could still cross the network in plain text."""
        host, port = self.gateway_listen_address
        if not self.tls.is_enabled:
            return self
        if not is_loopback(host):
            raise InvalidValue(
                wording.settings.served_without_tls(self.gateway_listen),
                wording.settings.use_loopback(port),
                ("gateway_listen",),
            )
        if host_and_port(self.tls.listen)[1] in (port, self.listen_address[1]):
            raise InvalidValue(wording.settings.PORT_IN_USE, wording.settings.USE_OTHER_PORT, ("tls", "listen"))
        return self

    @model_validator(mode="after")
    def _check_routes(self) -> Self:
        """The domain itself is Eph's own host."""
        if self.domain in self.deploys.routes:
            raise InvalidValue(
                wording.settings.domain_is_eph(self.domain),
                wording.settings.use_subdomain(self.domain),
                ("deploys", "routes"),
            )
        return self

    @model_validator(mode="after")
    def _check_secret_providers(self) -> Self:
        for name, secret in self.secrets.items():
            try:
                secret_providers.open_provider(secret.provider, self.secret_providers)
            except InvalidValue as error:
                raise InvalidValue(error.message, error.expected, ("secrets", name, secret.provider)) from None
        return self

    @model_validator(mode="after")
    def _check_prices(self) -> Self:
        """A typo would otherwise leave an environment without a price."""
        found = {name: registry.get(name) for name in registry.installed_targets()} if self.prices else {}
        priced = {name: target for name, target in found.items() if isinstance(target, Prices)}
        for target, amounts in self.prices.items():
            if target not in priced:
                expected = wording.settings.use_one_of(priced)
                raise InvalidValue(wording.settings.no_such_price_table(target), expected, ("prices", target))
            names = [item.name for item in priced[target].price_list({}).items]
            for name in amounts:
                if name not in names:
                    problem, expected = wording.settings.no_such_price(target, name), wording.settings.use_one_of(names)
                    raise InvalidValue(problem, expected, ("prices", target, name))
        return self

    @model_validator(mode="after")
    def _check_accounts(self) -> Self:
        if self.auth.provider == "forge" and forge_registry.get(self.forge.kind).accounts is None:
            raise InvalidValue(wording.settings.no_accounts(self.forge.kind), "use oidc", ("auth", "provider"))
        return self

    @model_validator(mode="after")
    def _check_replicas(self) -> Self:
        if self.replicas.lease == "none":
            return self
        if not self.ledger_database_url.startswith(("postgresql", "postgres:")):
            raise InvalidValue(
                wording.settings.LEDGER_NOT_POSTGRESQL,
                wording.settings.SET_LEDGER_URL,
                ("replicas", "lease"),
            )
        host = host_and_port(self.replicas.listen or self.listen)[0]
        if not self.replicas.url and host in _WILDCARD_ADDRESSES:
            raise InvalidValue(
                wording.settings.replicas_cannot_reach(host),
                wording.settings.SET_REPLICAS_URL,
                ("replicas", "url"),
            )
        if not self.replicas.accepts_url(self.replica_url):
            raise InvalidValue(
                wording.settings.replica_without_tls(self.replica_url),
                wording.settings.SET_REPLICA_TLS,
                ("replicas", "url"),
            )
        if self.shared_dir == self.home:
            raise InvalidValue(
                wording.settings.SHARED_IS_HOME,
                wording.settings.OWN_HOMES,
                ("replicas", "shared"),
            )
        return self

    @property
    def url_template(self) -> str:
        """``public_url``, or a URL with the gateway's port."""
        if self.tls.is_enabled and not self.public_url:
            port = host_and_port(self.tls.listen)[1]
            return "https://{host}" if port == HTTPS_PORT else f"https://{{host}}:{port}"
        return self.public_url or f"http://{{host}}:{host_and_port(self.gateway_listen)[1]}"

    @property
    def shared_dir(self) -> Path:
        """The folder that all replicas share; the home of a single ephd."""
        return self.replicas.shared.expanduser().absolute() if self.replicas.shared else self.home

    @property
    def api_has_tls(self) -> bool:
        """Whether ``listen`` is served with TLS. On loopback it isn't: there is no host name to verify there."""
        return self.tls.is_enabled and not is_loopback(self.listen_address[0])

    @property
    def api_url(self) -> str:
        """What ``listen`` serves."""
        return f"{'https' if self.api_has_tls else 'http'}://{self.listen}"

    @property
    def local_api_url(self) -> str:
        """Where this machine's own programs reach an API without TLS: if it listens on all interfaces, it listens on
        loopback, too."""
        host, port = self.listen_address
        host = _WILDCARD_ADDRESSES.get(host, host)
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    def warnings(self) -> list[str]:
        """Addresses that other machines reach without TLS: there is no certificate, and no proxy in front that could
        have one."""
        if self.tls.is_enabled or self.previews.proxies:
            return []
        addresses = {"listen": self.listen, "gateway_listen": self.gateway_listen}
        return [
            wording.settings.open_without_tls(name, address)
            for name, address in addresses.items()
            if not is_loopback(host_and_port(address)[0])
        ]

    @property
    def dashboard_url(self) -> str:
        """``auth.url``, or the gateway at the domain itself, which shows the dashboard."""
        return (self.auth.url or self.url_template.replace("{host}", self.domain)).rstrip("/")

    @property
    def probe_url(self) -> str:
        """Where ephd checks that previews respond: at the public entry point, if ephd can reach it."""
        fronts = (self.target_table(name).probe_url() for name in registry.installed_targets())
        return next(filter(None, fronts), f"http://{self.gateway_listen}")

    @property
    def replica_url(self) -> str:
        """Where other replicas reach this one."""
        return self.replicas.api_url(self.api_url)

    @property
    def stacks_url(self) -> str:
        """``backend_url``, or the folder in home."""
        return self.backend_url or backends.default_url(self.backend_dir)

    @property
    def ledger_database_url(self) -> str:
        """``ledger_url``, or the file in home. May contain a password."""
        return self.ledger_url.get_secret_value() or f"sqlite:///{self.ledger_path}"

    @property
    def work_dir(self) -> Path:
        return self.home / "work"

    @property
    def backend_dir(self) -> Path:
        """Where stacks are, without ``backend_url``."""
        return self.shared_dir / file_names.BACKEND

    @property
    def pause_file(self) -> Path:
        return self.shared_dir / file_names.PAUSE

    @property
    def pending_reports_file(self) -> Path:
        return self.shared_dir / file_names.PENDING_REPORTS

    @property
    def operations_dir(self) -> Path:
        return self.shared_dir / "operations"

    @property
    def gateway_dir(self) -> Path:
        return self.shared_dir / file_names.GATEWAY

    @property
    def routes_dir(self) -> Path:
        return self.gateway_dir / file_names.ROUTES

    @property
    def uploads_dir(self) -> Path:
        return self.shared_dir / file_names.UPLOADS

    @property
    def ledger_path(self) -> Path:
        return self.home / file_names.LEDGER

    @property
    def keys_dir(self) -> Path:
        return self.shared_dir / file_names.KEYS

    @property
    def pulumi_home(self) -> Path:
        return self.home / "pulumi"

    @property
    def listen_address(self) -> tuple[str, int]:
        return host_and_port(self.listen)

    @property
    def gateway_listen_address(self) -> tuple[str, int]:
        return host_and_port(self.gateway_listen)

    def policy(self) -> Policy:
        """What the planner has to respect: these settings, and what the installed targets declare."""
        targets = {name: registry.get(name) for name in registry.installed_targets()}
        return Policy(
            server=self.name,
            dashboard_url=self.dashboard_url,
            default_labels=frozenset(self.labels),
            max_environments=self.limits.environments,
            max_per_repository=self.limits.per_repository,
            max_concurrent=self.limits.concurrent,
            concurrent_destroys=self.limits.concurrent_destroys,
            ttl_default=self.ttl.default,
            ttl_max=self.ttl.most,
            expiry_warning=self.ttl.warning,
            idle_timeout=self.idle.timeout,
            min_awake=self.idle.awake,
            allow_forks=self.forks.allow == "approve",
            approval_is_trust=self.forks.guarded == "approve",
            program_versions={name: target.version for name, target in targets.items()},
            drift_wordings={name: target.description.drift_wording for name, target in targets.items()},
            sleep_capable_targets=frozenset(name for name, target in targets.items() if isinstance(target, Sleeps)),
            on_demand_targets=frozenset(
                name
                for name, target in targets.items()
                if self.deploys.on_demand and isinstance(target, Sleeps) and self.target_table(name).wakes_on_request()
            ),
            on_demand_idle=self.deploys.idle,
            budgets=self.budgets.to_policy(),
            trusted_authors_only=frozenset(
                name for name, target in targets.items() if target.description.trusted_authors_only
            ),
        )

    def admission_policy(self) -> AdmissionPolicy:
        """What a repository can request."""
        return AdmissionPolicy(
            installed_targets=frozenset(registry.installed_targets()),
            allowed_targets=frozenset(self.targets.allowed),
            default_target=self.targets.default,
            default_labels=frozenset(self.labels),
            max_ttl=self.ttl.most,
            default_ttl=self.ttl.default,
            idle_timeout=self.idle.timeout,
            domains=frozenset(self.domains),
            max_services=self.limits.services,
            max_public_services=self.limits.public_services,
            max_databases=self.limits.databases,
            max_command_timeout=self.limits.command,
            max_health_deadline=self.limits.health,
            sign_in_available=self.previews.sign_in != "off",
            bar_available=self.previews.bar,
            knows_people=self.auth.provider != "none",
            templates={name: self.target_table(name).template_names() for name in registry.installed_targets()},
            registries={name: self.target_table(name).image_registries() for name in registry.installed_targets()},
            app_routes=self.deploys.routes,
            checks_machine=True,
            label_deploy_obstacles={
                name: self.target_table(name).label_deploy_obstacle() for name in registry.installed_targets()
            },
        )

    def deploy_limits(self) -> DeployLimits:
        return DeployLimits(self.deploys.ttl, self.deploys.most, self.deploys.per_app)

    def target_table(self, target: str) -> TargetSettings:
        """The table of eph.toml of an installed target."""
        table: TargetSettings = getattr(self, target)
        return table

    def target_mapping(self, target: str, server_id: str = "") -> dict[str, str]:
        """The settings that an installed target's methods receive. May contain secrets. ``server_id`` distinguishes
        this server from another one with the same name."""
        return self.target_table(target).to_mapping(self._context(target, server_id))

    def machine_folders(self) -> dict[str, Path]:
        """The folders whose processes run on one machine, by allowed target."""
        found = {
            name: self.target_table(name).machine_folder(self._context(name)) for name in self._installed_allowed()
        }
        return {name: folder for name, folder in found.items() if folder is not None}

    @property
    def known_targets(self) -> frozenset[str]:
        """The allowed targets, and those where environments may exist that must still be destroyed. A target that isn't
        used doesn't have to work."""
        installed = registry.installed_targets()
        existing = {name for name in installed if self.target_table(name).may_have_environments(self._context(name))}
        return frozenset({*self.targets.allowed, *existing})

    def target_settings(self, server_id: str, used_targets: frozenset[str] = frozenset()) -> dict[str, dict[str, str]]:
        """The settings of known targets. ``used_targets`` are those that stacks record. A stack that was never
        completed seems to be on the default target, which isn't started for that alone."""
        known = self.known_targets | (used_targets - {DEFAULT_TARGET})
        return {name: self.target_mapping(name, server_id) for name in registry.installed_targets() if name in known}

    def _installed_allowed(self) -> list[str]:
        return [name for name in registry.installed_targets() if name in self.targets.allowed]

    def _context(self, target: str, server_id: str = "") -> ServerContext:
        return ServerContext(
            server_id=f"{self.name}-{server_id}",
            private_folder=self.home / target,
            shared_folder=self.shared_dir / target,
            routes=self.routes_dir,
            url_template=self.url_template,
            tools=replace(
                self.target_table(DEFAULT_TARGET).machine_tools(),
                build_limit=self.limits.builds,
                build_slots=self.home / "build-slots",
                build_spare=self.limits.spare_memory * 1_000_000,
            ),
        )


def _target_tables() -> dict[str, Any]:
    """The table that each installed target declares."""
    declared = registry.descriptions()
    taken = sorted(ServerSettingsFile.model_fields.keys() & declared.keys())
    if taken:
        raise InvalidTarget(wording.settings.target_named_like_setting(quote(taken[0])))
    return {
        name: (found.settings_model, Field(default_factory=found.settings_model, description=found.title))
        for name, found in declared.items()
    }


if TYPE_CHECKING:
    ServerSettings = ServerSettingsFile
else:
    ServerSettings = create_model(
        "ServerSettings",
        __base__=ServerSettingsFile,
        __doc__=ServerSettingsFile.__doc__,
        __module__=__name__,
        **_target_tables(),
    )
