"""How operations are run. One folder per executor."""
