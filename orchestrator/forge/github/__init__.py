"""GitHub by PyGithub: authentication, client, errors."""
