"""The target for teams without a cluster: each environment has its own Fargate services, RDS, queues and buckets.

Every resource carries the environment's tags and the server's, so leftovers of a crash are found and removed by tag,
without Pulumi's state. An environment has its own network or uses the operator's, a database that only its own tasks
can reach, and roles that can read only its own secrets.

``names`` and ``sizing`` are pure. ``program`` declares resources with pulumi-aws, ``api`` calls AWS directly for the
inventory, cleanup, logs, sleep, and one-off tasks. ``target`` is the entry point. Pulumi is imported only in
``program`` and ``v1``, so reading is cheap.
"""
