"""GitHub through PyGithub. The registry finds ``adapter``; ``github_forge`` implements the port, ``parsers`` turn
responses into values, and ``errors`` translates what goes wrong."""
