"""Reads the world: Git host, stacks, targets, traffic."""
