"""Every sentence about a wrong eph.yaml or setting. One module a topic, used qualified (``wording.syntax.TAB``)."""

from __future__ import annotations

from orchestrator.config.wording import admission, consistency, secrets, sections, settings, syntax

__all__ = ["admission", "consistency", "secrets", "sections", "settings", "syntax"]
