"""The comment, the check and the deployment on a pull request."""
