"""Where images are found: registries, by API v2, and git notes. Imports the core and nothing beside it.

What a repository asks for here was written by whoever opened the pull request, and what a registry answers by whoever
runs it: both are bounded (``access``, ``wire``), and neither ever sees a secret that is not its own.
"""
