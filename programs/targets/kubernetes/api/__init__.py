"""The Kubernetes API, as the target uses it."""
