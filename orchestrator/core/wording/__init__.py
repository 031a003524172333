"""Every reason that the core gives: why an environment is created, waits, is refused, kept, repaired or destroyed.

These sentences appear in `eph why`, in comments, checks and the dashboard. One module a topic, used qualified
(``wording.limits.server_full``). Code and tests never read them: actions carry codes (``reason_codes``).
"""

from __future__ import annotations

from orchestrator.core.wording import (
    chat,
    costs,
    desired,
    drift,
    facts,
    images,
    limits,
    operations,
    orphans,
    pauses,
    repairs,
    sleep,
    suites,
)

__all__ = [
    "chat",
    "costs",
    "desired",
    "drift",
    "facts",
    "images",
    "limits",
    "operations",
    "orphans",
    "pauses",
    "repairs",
    "sleep",
    "suites",
]
