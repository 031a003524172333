"""`python -m orchestrator.gateway`: the command line of the gateway process."""

from __future__ import annotations

import argparse
import asyncio
import ipaddress
import logging
import sys
from pathlib import Path

from yarl import URL

from orchestrator.gateway.gateway_server import GatewaySettings
from orchestrator.gateway.serve import Address, run


def _network(text: str) -> str:
    return str(ipaddress.ip_network(text))


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
    return parser.parse_args()


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
    )
    try:
        asyncio.run(run(arguments.listen, settings, arguments.directory))
    except OSError as error:
        address = f"{arguments.listen.host}:{arguments.listen.port}"
        sys.stderr.write(
            f"The gateway can't listen on {address}: {error.strerror or error}. Check whether the port is in use.\n"
        )
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
