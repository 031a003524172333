"""The keys of eph.yaml, one module per section. Nothing here depends on the server or on targets."""
