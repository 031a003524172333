"""Every sentence that the runtime writes: into the event log, into results, and on the terminal when it can't start.

One module a topic, used qualified (``wording.events.built``). Events and results carry their meaning as kinds and
outcomes; nothing parses these sentences.
"""

from __future__ import annotations

from orchestrator.runtime.wording import backup, costs, events, metrics, problems, startup, suites

__all__ = ["backup", "costs", "events", "metrics", "problems", "startup", "suites"]
