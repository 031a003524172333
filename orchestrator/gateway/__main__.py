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
    parser = argparse.ArgumentParser(prog="python -m orchestrator.gateway", description="The door to every preview.")
    parser.add_argument("--listen", type=Address.parse, default=Address("127.0.0.1", 8080), metavar="HOST:PORT")
    parser.add_argument("--directory", type=Path, required=True, help="holds routes/ and states.json")
    parser.add_argument("--domain", default="localhost", help="the domain that previews are names of")
    parser.add_argument("--control", type=URL, default=URL("http://127.0.0.1:8081"), help="where ephd's API listens")
    parser.add_argument("--control-file", type=Path, metavar="FILE", help="holds that URL instead, and may change")
    parser.add_argument(
        "--trusted-proxy",
        action="append",
        default=[],
        type=_network,
        metavar="NETWORK",
        help="or an address, of what stands in front; may be repeated",
    )
    parser.add_argument("--tokens", type=Path, metavar="FILE", help="the tokens that open protected previews, by line")
    parser.add_argument(
        "--sign-in",
        choices=("off", "asked", "all"),
        default="off",
        help="all: to every preview; else if its route asks",
    )
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
        control_file=arguments.control_file,
    )
    try:
        asyncio.run(run(arguments.listen, settings, arguments.directory))
    except OSError as error:
        address = f"{arguments.listen.host}:{arguments.listen.port}"
        sys.stderr.write(f"The gateway cannot listen on {address}: {error.strerror or error}. Is the port taken?\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
