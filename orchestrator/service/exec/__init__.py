"""Runs commands and jobs in environments: the port, the checks before a start, sessions with their terminals."""
