"""An environment on this machine as a domain of its own: a user and a network namespace that its processes share."""
