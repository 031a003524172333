"""Every sentence of the surfaces, one module a surface, used qualified (``wording.api.TRY_LATER``)."""

from __future__ import annotations

from orchestrator.surfaces.wording import api, dashboard, mcp, reports

__all__ = ["api", "dashboard", "mcp", "reports"]
