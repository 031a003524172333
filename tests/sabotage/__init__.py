"""Disables each guard in turn in a copy of the code: the tests must detect it, or it guards nothing.

``make sabotage`` runs all. A guard that the model (tests/model) covers is tested by a history that succeeds with the
guard and fails without it; one that exists only in the real components, by a test that passes with it and fails
without. If a second guard covers the first, both runs disable the second one (``beside``).
"""
