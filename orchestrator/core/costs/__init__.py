"""What environments cost: accounts, budgets, views and comparisons (P10, C1)."""
