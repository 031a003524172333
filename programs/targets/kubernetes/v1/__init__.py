"""The dynamic providers that Pulumi's state refers to, for what isn't an object of the cluster, or waits for one.

A state keeps each resource's provider as a pickled reference to its class here, and loads it for a destroy years later.
So classes in this package are never renamed or moved; a change that would break an old state gets a ``v2``. They hold
no data and only translate properties into calls of plain modules. ``on`` contains the server's settings as plain
strings, without secrets.
"""
