"""``python -m orchestrator.demo.github --root DIR --port N [--webhook URL --webhook-secret-file FILE]``

``--host`` and ``--url`` are for a sandbox that others reach under another address, as in a pod.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import uvicorn

from orchestrator.demo.github.github_server import GitHubServer
from orchestrator.demo.github.webhook_sender import WebhookTarget

HOST = "127.0.0.1"


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="sandbox", description="A small GitHub on this machine, for demo and tests.")
    parser.add_argument("--root", type=Path, required=True, help="the folder that holds everything; made if missing")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--host", default=HOST, help="the address to listen on")
    parser.add_argument("--url", help="how others reach it; by default what it listens on")
    parser.add_argument("--webhook", help="a URL that hears of every event")
    parser.add_argument("--webhook-secret-file", type=Path, help="the file with the secret that signs them")
    given = parser.parse_args(arguments)
    secret = given.webhook_secret_file.read_text().strip() if given.webhook_secret_file else ""
    webhook = WebhookTarget(given.webhook, secret, frozenset({"*"})) if given.webhook else None
    sandbox = GitHubServer(given.root, given.url or f"http://{given.host}:{given.port}", webhook)
    uvicorn.run(sandbox.app, host=given.host, port=given.port, log_level="warning", ws="none", loop="asyncio")
    return 0


if __name__ == "__main__":
    sys.exit(main())
