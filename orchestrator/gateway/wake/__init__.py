"""Wakes a preview on its first request, and records when each one was last used."""
