"""eph.yaml: read, validated, and turned into what the planner works with."""
