"""Services that run on a schedule: what a cron expression means, and the process that runs a command at its times.

``schedule`` and ``runner`` import nothing but Python's own library, because the runner is in the sandbox.
"""
