"""Effects, in order: wake, observe, plan, guard, execute. Decides nothing that ``core`` can decide."""
