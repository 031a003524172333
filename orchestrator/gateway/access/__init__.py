"""Who may see a preview: signing in to a protected one, and a limit on guessing host names."""
