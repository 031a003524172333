"""The demo on Kubernetes: a cluster, a registry, and CI's part. Standard library only: toolchain scripts import it."""
