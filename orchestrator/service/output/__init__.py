"""The output of services and operations, as people read it."""
