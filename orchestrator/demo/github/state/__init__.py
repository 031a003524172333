"""The small GitHub's state."""
