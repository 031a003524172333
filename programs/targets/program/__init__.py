"""The target ``program``: the repository's own Pulumi project, run in the environment's sandbox.

The project has a separate stack, whose state is in the environment's home. Eph's stack contains one resource, which
runs the project. Nothing of the project runs outside the sandbox: not its program, its engine or its providers.
"""
