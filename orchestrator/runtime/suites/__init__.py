"""Runs the repository's tests against ready environments."""
