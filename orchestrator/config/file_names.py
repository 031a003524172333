"""The names of the server's own files and folders in its home, or in the folder that replicas share."""

from __future__ import annotations

BACKEND = "backend"
"""Stacks, unless ``backend_url`` names another place."""
KEYS = "keys"
UPLOADS = "uploads"
GATEWAY = "gateway"
LEDGER = "ledger.db"
PAUSE = "paused.json"
PENDING_REPORTS = "owed.json"
HOME_LOCK = "ephd.lock"
REPLICAS_LOCK = "replicas.lock"

# --- In KEYS

API_TOKEN = "api.token"  # noqa: S105 - the name of its file
PASSPHRASE = "passphrase"  # noqa: S105 - the name of its file
PREVIEW_KEY = "previews.key"
PREVIEW_TOKENS = "previews.token"
SERVER_KEY = "server.key"

# --- In GATEWAY, shared by ephd and the gateway

ROUTES = "routes"
OPERATION_OUTPUT = "output.json"
PREVIEW_STATES = "states.json"
SHARE_LINKS = "share_links.json"
TRAFFIC = "traffic.json"
GATEWAY_LOG = "gateway.log"
GATEWAY_PROCESS = "gateway.json"
"""Which process the gateway is."""
