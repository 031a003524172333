"""Measurements against the budgets of the design: ``make bench``, or ``python -m tests.bench NAME…`` for some.

A machine's speed says nothing, so every row compares two things done in the same run on the same machine, in turns
where that is possible, and judges their ratio. What a row says it measured; a budget that is missed is told, not
hidden; a row that could not be measured at all makes the run fail.
"""
