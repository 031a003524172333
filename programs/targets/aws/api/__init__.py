"""Calls AWS without Pulumi: the inventory, removal, logs, sleep and one-off tasks."""
