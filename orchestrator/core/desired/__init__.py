"""What should exist for each environment."""
