"""The decision, pure: facts in, plan out.

Standard library, ``stacks.model`` and ``programs.spec`` only. No I/O, no logging, no clock: ``now`` is an argument.
"""
