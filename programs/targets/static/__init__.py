"""The target ``static``: a folder that a commit's build creates, served by one process for all environments.

The build runs in the same sandbox as on a server with processes. Nothing of the repository runs afterwards.
"""
