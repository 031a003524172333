"""What people see of an environment, computed from facts."""
