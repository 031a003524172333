"""Sign-in at an identity provider: a port, OpenID Connect and GitHub, and the attempt that a browser carries."""
