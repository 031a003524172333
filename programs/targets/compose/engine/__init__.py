"""Docker's or Podman's engine: its API, and the official clients for what only they do (``docker compose``, builds)."""
