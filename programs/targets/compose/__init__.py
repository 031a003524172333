"""The target ``compose``: the repository's Docker Compose files, one project per environment.

``files`` reads and judges what the repository wrote, ``engine`` talks to Docker or Podman. What the engine runs is a
project that Eph writes from the judged files, never the files themselves.
"""
