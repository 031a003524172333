"""Where stacks are stored. One folder per backend."""
