"""The dynamic providers that Pulumi's state refers to, for what isn't an AWS resource.

A state keeps each resource's provider as a pickled reference to its class here, and loads it for a destroy years later.
So classes in this package are never renamed or moved; a change that would break an old state gets a ``v2``.
``settings`` contains the server's settings as plain strings; none of them is secret.
"""
