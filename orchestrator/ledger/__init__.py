"""What happened and why: an append-only log of events. Losing it loses history, never an environment."""
