"""Where Pulumi keeps the stacks: the port, the registry, and one folder per backend.

``inventory``, ``checkpoint``, ``tag_files``, ``update_history`` and ``pulumi_locks`` are shared by the backends. A
backend's own modules are imported by the registry alone.
"""
