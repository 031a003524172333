"""Sign-in at an identity provider: a port, OpenID Connect, the Git host's accounts, and the attempt that a browser
carries."""
