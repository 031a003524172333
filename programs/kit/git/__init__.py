"""Mirrors and checkouts of the repository."""
