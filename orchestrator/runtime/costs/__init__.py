"""Prices, estimates and what environments have cost so far."""
