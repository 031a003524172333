"""Environments as services of Google Cloud Run."""
