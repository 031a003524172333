"""Each guard switched off in turn, in a copy of the code: the harness must see it, or it guards nothing.

``make sabotage`` runs all. A guard that the model (tests/model) can see is judged by a history that goes right with the
guard and wrong without it; one that only the real thing has, by a test of the real thing that passes with it and fails
without. Where a second guard stands behind the first, both runs have the second one off (``beside``).
"""
