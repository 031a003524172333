"""Chat commands: read from comments, carried out by the service, answered on the pull request."""
