"""Pulumi's Automation API, wrapped: names, inventory, and one operation per process.

``model``, ``names`` and ``tags`` are values and protocols, free of Pulumi. May import ``programs``;
never ``orchestrator``.
"""
