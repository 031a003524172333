"""The embedded target: environments as supervised processes and PostgreSQL databases on this machine.

Everything of an environment can be found by its name, without Pulumi's state: its folder, the files that supervisord
reads, its routes, its ports, and the comments on its databases and roles. So whatever a crash left half-created can be
recreated or removed, and a rebooted machine finds its environments on disk.

A *generation* is one commit built one way. All services of a generation start next to those of the previous one, on
their own ports. Routes switch only once all of them respond, and then the previous generation is removed. A broken
commit never affects the one that is live.

``target`` is the entry point. Pulumi is imported in ``local_program`` and ``v1`` only, so looking is cheap.
"""
