"""Which repositories are served, and how they are discovered."""
