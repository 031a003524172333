"""Where desire comes from: each source turns what a Git host says into requests for environments."""
