"""GitHub through PyGithub. ``adapter`` is what the registry finds; ``github_forge`` implements the port, ``parsers`` turn
responses into values, ``errors`` translates what goes wrong."""
