"""Pulumi's Automation API, wrapped: names, inventory, and one operation per process.

``model``, ``names`` and ``tags`` contain values and protocols, and don't import Pulumi. This package can import
``programs``, never ``orchestrator``.
"""
