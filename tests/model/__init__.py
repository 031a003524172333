"""Eph in a model of the world: hundreds of histories a minute, in virtual time, with the real loop at work in them.

What is real: plan, loop, executor, observer, memory, readiness, journal, reporter and their waiting. What is modelled:
the Git host (``hosts``), and the machine with its store of stacks, its target and the operations as processes that can
be killed at any step (``machine``, ``store``). ``looking`` tells from outside what is wrong.
"""
