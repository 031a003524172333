"""`python -m orchestrator.gateway`: the command line of the gateway process."""

from __future__ import annotations

import argparse
import asyncio
import ipaddress
import logging
import ssl
import sys
from pathlib import Path

from yarl import URL

from orchestrator.gateway import wording
from orchestrator.gateway.access.oauth_broker import OAuthProviders
from orchestrator.gateway.gateway_server import GatewaySettings
from orchestrator.gateway.serve import Address, run
from orchestrator.gateway.tls import TlsListener


def _network(text: str) -> str:
    return str(ipaddress.ip_network(text))


def _named_url(text: str) -> tuple[str, str]:
    name, _, url = text.partition("=")
    return name, url


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m orchestrator.gateway", description="The reverse proxy in front of every preview."
    )
    parser.add_argument("--listen", type=Address.parse, default=Address("127.0.0.1", 8080), metavar="HOST:PORT")
    parser.add_argument("--directory", type=Path, required=True, help="the folder with routes/ and states.json")
    parser.add_argument("--domain", default="localhost", help="the domain of previews")
    parser.add_argument("--control", type=URL, default=URL("http://127.0.0.1:8081"), help="the URL of ephd's API")
    parser.add_argument("--control-file", type=Path, metavar="FILE", help="a file with that URL, which may change")
    parser.add_argument(
        "--control-ca", type=Path, metavar="FILE", help="the certificate authority that it must be issued by, in PEM"
    )
    parser.add_argument(
        "--trusted-proxy",
        action="append",
        default=[],
        type=_network,
        metavar="NETWORK",
        help="a trusted proxy's network or address; can be repeated",
    )
    parser.add_argument(
        "--tokens", type=Path, metavar="FILE", help="the file with the tokens for protected previews, one per line"
    )
    parser.add_argument(
        "--sign-in",
        choices=("off", "asked", "all"),
        default="off",
        help="all: required for every preview; otherwise only if its route requires it",
    )
    parser.add_argument("--people-url", default="", metavar="URL", help="the dashboard's URL, where people sign in")
    parser.add_argument("--people-key", type=Path, metavar="FILE", help="the file with the key shared with ephd")
    parser.add_argument(
        "--oauth-provider",
        action="append",
        default=[],
        type=_named_url,
        metavar="NAME=URL",
        help="an authorization endpoint for sign-in inside previews; can be repeated",
    )
    parser.add_argument("--oauth-callback", default="", metavar="URL", help="the callback URL registered there")
    parser.add_argument("--preview-url", default="", metavar="URL", help="the URL of a preview, with {host}")
    parser.add_argument("--tls-listen", type=Address.parse, metavar="HOST:PORT", help="also listen here, with TLS")
    parser.add_argument("--tls-certificate", type=Path, metavar="FILE", help="its certificate with its chain, in PEM")
    parser.add_argument("--tls-key", type=Path, metavar="FILE", help="the certificate's key, in PEM")
    return parser.parse_args()


def _tls(arguments: argparse.Namespace) -> TlsListener | None:
    """Exits if the files can't be used."""
    address = arguments.tls_listen
    if address is None:
        return None
    from orchestrator.runtime.server.tls_certificate import BadCertificate, TlsCertificate

    try:
        return TlsListener(address.host, address.port, TlsCertificate(arguments.tls_certificate, arguments.tls_key))
    except BadCertificate as error:
        sys.stderr.write(wording.invalid_setup(error))
        raise SystemExit(1) from None


def _api_tls(authority: Path | None) -> ssl.SSLContext | None:
    """Exits if the file can't be used."""
    try:
        return ssl.create_default_context(cafile=authority) if authority else None
    except OSError as error:  # ssl.SSLError is one
        sys.stderr.write(wording.unusable_authority(authority, error))
        raise SystemExit(1) from None


def main() -> int:
    arguments = _arguments()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    settings = GatewaySettings(
        arguments.domain.lower(),
        arguments.control.origin(),
        frozenset(arguments.trusted_proxy),
        tokens=arguments.tokens,
        sign_in=arguments.sign_in,
        people_url=arguments.people_url.rstrip("/"),
        people_key=arguments.people_key,
        control_file=arguments.control_file,
        api_tls=_api_tls(arguments.control_ca),
        oauth=OAuthProviders(dict(arguments.oauth_provider), arguments.oauth_callback, arguments.preview_url),
    )
    try:
        asyncio.run(run(arguments.listen, settings, arguments.directory, _tls(arguments)))
    except OSError as error:
        used = [address for address in (arguments.listen, arguments.tls_listen) if address is not None]
        addresses = " and ".join(f"{address.host}:{address.port}" for address in used)
        sys.stderr.write(wording.cannot_listen(addresses, error.strerror or error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
