"""The world as values: everything the planner may look at."""
