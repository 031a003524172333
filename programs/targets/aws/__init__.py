"""The target for teams without a cluster: Fargate services, RDS, queues and buckets, for each environment its own.

Every resource carries the environment's tags and the server's, so what a crash left behind is found and removed by tag,
without Pulumi's state. An environment gets a network or uses the operator's, a database that only its own tasks can
reach, and roles that can read nothing but its own secrets.

``names`` and ``sizing`` are pure. ``program`` declares resources with pulumi-aws, ``api`` talks to AWS directly: the
inventory, cleanup, logs, sleep, and one-off tasks. ``target`` is the entry point. Pulumi is imported in ``program`` and
``v1`` only, so looking is cheap.
"""
