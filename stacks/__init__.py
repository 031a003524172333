"""Pulumi's Automation API, wrapped: names, inventory, and one operation per process.

``model``, ``names``, ``tags`` and ``port`` are values and protocols, free of Pulumi. May import ``programs``;
never ``orchestrator``.
"""
