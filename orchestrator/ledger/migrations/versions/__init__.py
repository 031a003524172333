"""One file a step, numbered; the last number is ``schema.HEAD``."""
