"""Processes: commands, supervision, the sandbox."""
