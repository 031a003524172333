"""Where Pulumi keeps the stacks: the port, the registry, and one folder per backend.

``inventory``, ``checkpoint`` and ``update_history`` are shared by the backends. A backend's own modules are imported
by the registry alone.
"""
