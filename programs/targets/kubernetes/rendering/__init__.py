"""Kubernetes objects as plain data."""
