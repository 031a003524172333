"""A GitHub small enough for a demo: bare repositories on disk and the REST paths that PyGithub calls."""
