"""The inline program of the target: Pulumi resources from a spec. The names and types of resources persist."""
