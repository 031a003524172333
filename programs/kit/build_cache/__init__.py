"""What package managers download and compile, kept per repository, so that a second build is fast.

Each environment has a cache of its own, ``/var/cache/eph`` in its sandbox, for the tools in ``tools``. Before the first
build of an environment it is filled from the repository's archive; after a build that changed it, a new archive is
saved. An archive is one file that only tar in a sandbox ever opens: nothing outside depends on what a build left in its
cache.
"""
