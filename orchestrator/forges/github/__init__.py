"""GitHub through PyGithub. The registry finds ``adapter``; ``github_forge`` implements the port, ``parsers`` turns
responses into values, and ``errors`` translates errors."""
