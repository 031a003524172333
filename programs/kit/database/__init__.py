"""PostgreSQL for environments."""
