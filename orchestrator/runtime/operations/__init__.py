"""Runs operations on stacks: one lane per stack, a journal of what started, and what earlier leaders left running."""
