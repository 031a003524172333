"""eph.yaml and the server's settings: untrusted text in, values of ``orchestrator.core`` and ``programs.spec`` out."""
