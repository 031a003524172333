"""The part of the Kubernetes API that the target uses."""
