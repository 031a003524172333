"""The dynamic providers, as Pulumi's state refers to them.

A state keeps each resource's provider as a pickled reference to its class here, and a destroy of years later loads
it from there. So classes in this package are never renamed nor moved; what would break an old state gets a ``v2``.
They hold no data and translate properties into calls of the plain modules, nothing more.
"""
