"""Deploys by label, and the working copies that people upload for them."""
