"""Webhooks from GitHub: parsing and delivery status."""
