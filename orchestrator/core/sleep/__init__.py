"""When an environment sleeps and wakes."""
