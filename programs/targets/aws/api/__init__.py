"""AWS itself, without Pulumi: what exists, removing it, logs, sleep and one-off tasks."""
