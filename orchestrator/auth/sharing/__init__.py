"""Share links: they open one protected preview for people without an account (P12)."""
