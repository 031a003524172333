"""What commands of an environment learn about it through variables: Eph's own, and placeholders in the repository's.

``{url}`` and ``{host}`` are where people reach the environment, ``{url:api}`` and ``{host:api}`` the same for one of
its services, and ``{database.main.port}`` is a part of a database's address. Only these are replaced. Everything else
in braces stays as it is, because variables often contain JSON.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from urllib.parse import unquote, urlsplit

DATABASE_PARTS = ("url", "host", "port", "user", "password", "name")
LIBPQ_PARTS = {"PGHOST": "host", "PGPORT": "port", "PGUSER": "user", "PGPASSWORD": "password", "PGDATABASE": "name"}
MAIL = "mail"
"""The name of the mail catcher among services: in URLs, logs and host names."""
_PLACEHOLDER = re.compile(r"\{([A-Za-z_][A-Za-z0-9_:.-]*)\}")
_POSTGRES_PORT = 5432


def url_variable(service: str) -> str:
    """The variable that holds this service's URL for the other services."""
    return f"{_stem(service)}_URL"


def internal_variables(internal_urls: Mapping[str, str], service: str) -> dict[str, str]:
    """Where ``service``, or a command that belongs to none, reaches each other service."""
    return {url_variable(name): url for name, url in internal_urls.items() if name != service}


def public_variables(urls: Mapping[str, str]) -> dict[str, str]:
    """Where people reach each public service, for everything that runs in the environment."""
    variables = {}
    for service, url in urls.items():
        variables[f"{_stem(service)}_PUBLIC_URL"] = url
        variables[f"{_stem(service)}_PUBLIC_HOST"] = _host(url)
    return variables


def smtp_variables(host: str, port: int) -> dict[str, str]:
    """Where to send mail that the environment's mail catcher keeps."""
    return {"SMTP_URL": f"smtp://{host}:{port}", "SMTP_HOST": host, "SMTP_PORT": str(port)}


def libpq_variables(database: str) -> dict[str, str]:
    """The variables that PostgreSQL's own programs read, as placeholders."""
    return {variable: f"{{database.{database}.{part}}}" for variable, part in LIBPQ_PARTS.items()}


def placeholders(text: str) -> Iterator[str]:
    """Everything that looks like a placeholder, known or not."""
    return (found[1] for found in _PLACEHOLDER.finditer(text))


def known_placeholders(services: Iterable[str], databases: Iterable[str]) -> list[str]:
    """All that a file with these services and databases may use."""
    of_services = [f"{kind}:{name}" for name in services for kind in ("url", "host")]
    return ["url", "host", *of_services, *(f"database.{name}.{part}" for name in databases for part in DATABASE_PARTS)]


def address_values(url: str, urls: Mapping[str, str], internal_urls: Mapping[str, str]) -> dict[str, str]:
    """``url`` is the environment's. A service that isn't in ``urls``, the public ones, has its internal URL."""
    values: dict[str, str] = {}
    for service, address in {**internal_urls, **urls}.items():
        values |= {f"url:{service}": address, f"host:{service}": _host(address)}
    return {**values, "url": url, "host": _host(url)}


def database_values(database: str, url: str) -> dict[str, str]:
    return {f"database.{database}.{part}": value for part, value in database_parts(url).items()}


def database_parts(url: str) -> dict[str, str]:
    """The whole URL and its parts, by the names in ``DATABASE_PARTS``."""
    parts = urlsplit(url)
    return {
        "url": url,
        "host": parts.hostname or "",
        "port": str(parts.port or _POSTGRES_PORT),
        "user": unquote(parts.username or ""),
        "password": unquote(parts.password or ""),
        "name": unquote(parts.path.lstrip("/")),
    }


def fill(env: Mapping[str, str], values: Mapping[str, str]) -> dict[str, str]:
    return {name: fill_text(text, values) for name, text in env.items()}


def without_databases(env: Mapping[str, str]) -> dict[str, str]:
    """Leaves out variables that refer to databases, for what can't reach them."""
    return {
        name: text
        for name, text in env.items()
        if not any(found.startswith("database.") for found in placeholders(text))
    }


def fill_text(text: str, values: Mapping[str, str]) -> str:
    """In one pass: a value that contains braces isn't filled in again."""
    return _PLACEHOLDER.sub(lambda found: values.get(found[1], found[0]), text)


def _host(url: str) -> str:
    return urlsplit(url).hostname or ""


def _stem(service: str) -> str:
    return re.sub(r"[^A-Z0-9]", "_", service.upper())
