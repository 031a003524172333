"""A GitHub small enough for a demo: bare repositories on disk and the REST paths that PyGithub calls.

``gits`` and ``store`` hold what there is, ``hub`` and its neighbours (``pulls``, ``reports``) say what may be done
with it, ``shapes`` writes it as GitHub does, ``api`` is the way in for programs and ``pages`` for people. ``world``
starts one and speaks to it in verbs. PyGithub is never imported here: the production client has to meet a stranger.
"""
