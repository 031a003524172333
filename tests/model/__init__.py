"""Eph in a model of the world: hundreds of histories a minute, in virtual time, with the real loop.

Real: planner, loop, executor, observer, facts, readiness, journal, reporter and their timers. Modelled: the Git host
(``hosts``), and the machine with its store of stacks, its target and the operations as processes that can be killed at
any step (``machine``, ``store``). ``looking`` checks from outside what is wrong.
"""
