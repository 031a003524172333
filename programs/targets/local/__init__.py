"""The embedded target: environments as supervised processes and PostgreSQL databases on this very machine.

Theory. Everything of an environment can be found by its name, without Pulumi's state: its folder, the files that
supervisord reads, its routes, its ports, and the comments on its databases and roles. So whatever a crash left
half-made can be made again or removed, and a machine that was restarted finds its environments on disk.

A *generation* is one commit built one way. All services of a generation start beside those of the last one, on
ports of their own; only when every one of them answers do the routes move, and then the last generation goes. A
commit that is broken never touches what answers.

``target`` is the door. Pulumi is imported in ``environment`` and ``v1`` only, so that looking costs little.
"""
