"""What runs operations: the port, the registry, and one folder per executor."""
