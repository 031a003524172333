"""One folder per target. Targets import ``programs.kit``, never each other."""
