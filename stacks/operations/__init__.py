"""What a worker does for one operation: settings, Pulumi's processes, progress, errors and the result.

ephd starts it as ``python -m stacks.worker``; that path is part of the protocol with executors and stays where it is.
"""
