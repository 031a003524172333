"""Small pure helpers: globs, sorting, time windows, formatting."""
