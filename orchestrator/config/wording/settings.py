"""Settings of the server that aren't valid. What is wrong, then what to do."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from programs.quoting import quote

# --- Reading the settings


def more_problems(count: int) -> str:
    return f"and {count} more problems"


SETTING_GROUP = (
    "this is a group of settings; set one of them, such as EPH_LIMITS__ENVIRONMENTS or environments in [limits]"
)


def file_not_found(path: Path) -> str:
    return f"{path}: file not found; use --config to select another file"


def file_unreadable(path: Path, error: str | None) -> str:
    return f"{path}: can't be read: {error}; check its owner and mode"


def not_utf_8(path: Path) -> str:
    return f"{path}: not UTF-8; save the file as UTF-8"


def not_toml(where: str, reason: str) -> str:
    return f"{where}: invalid TOML: {reason}"


def did_you_mean_setting(name: str, other: str) -> str:
    return f"{name}: unknown setting; did you mean {other}?"


def unknown_setting(where: str, hint: str) -> str:
    return f"{where}: unknown setting; {hint}"


def required(where: str) -> str:
    return f"{where}: this setting is required"


def invalid_value(value: str) -> str:
    return f"{value} is not valid: "


def did_you_mean(name: str) -> str:
    return f"did you mean {name}?"


def target_named_like_setting(name: str) -> str:
    return f"Target {name} has the name of a setting. Rename its entry point."


# --- Single values


def not_an_address(address: str) -> str:
    return f"{address} is not host:port"


ADDRESS_EXAMPLE = "use a value such as 127.0.0.1:8080"


def not_a_domain(value: str) -> str:
    return f"{value} is not a domain"


DOMAIN_EXAMPLE = "use a value such as preview.example.com"


def out_of_range(value: float) -> str:
    return f"{value} is out of range"


DURATION_RANGE = "use more than 0 and at most 365d"


def not_a_network(value: str) -> str:
    return f"{value} is not a network"


NETWORK_EXAMPLE = "use a value such as 10.0.0.0/8, or a single address"
NOT_A_URL = "this is not a URL"
REPLICA_URL_EXAMPLE = "use a value such as http://eph-1.internal:8081"


def not_an_authorization_endpoint(url: str) -> str:
    return f"{url} is not an authorization endpoint"


USE_AUTHORIZATION_ENDPOINT = "use the authorization endpoint"
USE_ITS_URL = "use its URL"


def not_https(value: str) -> str:
    return f"{value} is not an https URL"


HTTPS_EXAMPLE = "use a value such as https://eph.example.com"
NOT_A_URL_TEMPLATE = "this is not a URL that contains {host}"
URL_TEMPLATE_EXAMPLE = "use a value such as https://{host}"


# --- Channels

ONE_URL = "a channel needs exactly one URL"
SET_ONE_URL = "set url or url_file"
NOT_HTTP = "this is not an HTTP URL"
USE_HTTPS = "use https://…"
NO_SIGNATURES = "only webhooks have signatures"
REMOVE_SECRET_FILE = "remove secret_file"
MAIL_EXAMPLE = 'set for example smtp = "smtp.example.com:587", sender = "eph@example.com", to = ["team@example.com"]'
MAIL_ADDRESS_EXAMPLE = "use for example team@example.com"
MAIL_WITHOUT_TLS = "without TLS, messages and the password cross the network in plain text"
USE_STARTTLS = "use starttls or implicit"
HALF_LOGIN = "username and password_file belong together"
SET_BOTH_LOGIN = "set both, or none"


def wrong_channel_field(name: str, kind: str) -> str:
    return f"a channel of the kind {kind} has no {name}"


def remove_field(name: str) -> str:
    return f"remove {name}"


def mail_needs(name: str) -> str:
    return f"a channel of the kind email needs {name}"


def not_a_mail_address(address: str) -> str:
    return f"{address} isn't an e-mail address"


# --- Settings that don't fit together

RAISE_TTL = "lower it or raise ttl.most"
DEFAULT_OVER_MAXIMUM = "the default is longer than the maximum"
RAISE_DEPLOYS = "lower it or raise deploys.most"
DEFAULT_NOT_ALLOWED = "the default target is not among the allowed ones"
ADD_TO_ALLOWED = "add it to allowed"
NO_SHARED_FOLDER = "replicas need a shared folder"
SET_SHARED = "set replicas.shared to it and give each replica its own home"
TLS_INCOMPLETE = "TLS needs a certificate and its key"


def provider_needs(provider: str, key: object) -> str:
    return f"the provider {provider} needs auth.{key}"


def provider_needs_secret(provider: str) -> str:
    return f"the provider {provider} needs auth.client_secret"


SAME_PORT = "the API and the gateway use the same port"
USE_DIFFERENT_PORTS = "use a different one for each"


def served_without_tls(address: str) -> str:
    return f"previews would also be served without TLS at {address}"


def open_without_tls(setting: str, address: str) -> str:
    return (
        f"{setting} = {address} can be reached from other machines without TLS, so tokens and cookies can be read on "
        "the way. Set tls.certificate_file and tls.key_file, list the proxy that terminates TLS in previews.proxies, "
        "or use a loopback address"
    )


def use_loopback(port: int) -> str:
    return f"use 127.0.0.1:{port}, which only this machine reaches"


PORT_IN_USE = "Eph already uses this port for another address"
USE_OTHER_PORT = "use another one, such as 0.0.0.0:443"


def domain_is_eph(domain: str) -> str:
    return f"{domain} is the host name of Eph itself"


def use_subdomain(domain: str) -> str:
    return f"use a name below it, such as shop.{domain}"


def no_accounts(forge: str) -> str:
    return f"people can't sign in with accounts of {forge}"


LEDGER_NOT_POSTGRESQL = "replicas elect their leader in PostgreSQL, but ledger_url is not a PostgreSQL URL"
SET_LEDGER_URL = "set ledger_url to the PostgreSQL database that all replicas share"


def replicas_cannot_reach(host: str) -> str:
    return f"other replicas can't reach {host}"


SET_REPLICAS_URL = "set replicas.url to the URL at which they reach this one"
REPLICA_TLS_INCOMPLETE = "TLS between replicas needs an address, a certificate and its key"
SET_REPLICA_TLS = (
    "set replicas.listen, replicas.certificate_file and replicas.key_file; or replicas.encryption = external, if "
    "something else encrypts this traffic"
)


def replica_without_tls(url: str) -> str:
    return f"other replicas would send people's tokens to {url} without TLS"


SHARED_IS_HOME = "the shared folder is also this replica's home"
OWN_HOMES = "give each replica its own home"


# --- Prices


def no_such_price_table(target: str) -> str:
    return f"{quote(target)} is no target with prices"


def no_such_price(target: str, name: str) -> str:
    return f"the target {target} has no price {quote(name)}"


def use_one_of(names: Iterable[str]) -> str:
    return f"use one of: {', '.join(names)}"
