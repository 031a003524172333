"""Label deploys in a run: what developers do, what the stacks' tags record, and what must hold at the end."""
