"""Chaos: a real ephd under a seeded storm of history and faults, then looked at from outside.

``python -m tests.chaos --runs 50 --seed 1``. Each run is a world of its own: a sandbox Git host, a real ephd with the
real Pulumi and the target `local`, real PostgreSQL. While people open, push, close and rename, processes are killed
and paused, the Git host lies, locks and files are spoilt. Then it is quiet, and within 30 seconds everything must be
as the Git host says, with nothing besides.
"""
