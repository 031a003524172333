"""eph.yaml and the server's settings: turns untrusted text into values of ``orchestrator.core`` and
``programs.spec``."""
