"""Tells people outside the Git host what happened to environments: in Slack, and by webhooks of our own."""
