"""Secrets in environment variables of ephd."""
