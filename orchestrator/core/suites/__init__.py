"""The repository's own tests against the URL: what to run, and results."""
