"""The plan: decisions, repairs, guards and queues."""
