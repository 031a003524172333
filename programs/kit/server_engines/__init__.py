"""The database servers that an environment runs for itself, one module per engine: Redis and MariaDB.

Each is a process in the environment's sandbox and domain, next to its services. Unlike these it has no generation: it
outlives pushes, and its data is in a folder that is removed with the environment.
"""
