"""Secrets in a Kubernetes cluster."""
