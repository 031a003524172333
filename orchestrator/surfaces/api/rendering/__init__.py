"""Turns what the service returns into the bodies of responses."""
