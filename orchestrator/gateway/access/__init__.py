"""Access to previews: sign-in for protected ones, and a limit on guessing host names."""
