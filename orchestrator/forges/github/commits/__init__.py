"""Commits and their files, notes and statuses."""
