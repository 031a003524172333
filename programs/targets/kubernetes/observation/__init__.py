"""What is running in the cluster."""
