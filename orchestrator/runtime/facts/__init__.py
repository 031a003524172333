"""What one process of ephd remembers between cycles: one class per fact, and one rule for when a fact is forgotten.

All of it may be lost. The next process observes the facts again; a loss costs at most another debounce, a retry that
is counted from one, or an approval that a person has to repeat.
"""
