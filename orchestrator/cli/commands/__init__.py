"""One module per group of `eph` commands."""
