"""The help texts of the meter's metrics."""

from __future__ import annotations

READY = "From the first sight of a commit until its URL responds"
QUEUE_WAIT = "Time in the queue"
OPERATION = "Duration of operations"
FAILURES = "Failed operations by step"
COST_SPENT = "Estimated cost of environments"
COST_SAVED = "What environments would have cost more without a strategy, such as sleep"
