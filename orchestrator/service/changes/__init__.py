"""Changes that people request in an environment without a push: restarts, variables, databases."""
