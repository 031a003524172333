"""Credentials that a cloud issues for its registry: ECR, Google's Artifact Registry, Azure's Container Registry."""
