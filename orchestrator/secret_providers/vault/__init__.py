"""Secrets in HashiCorp Vault, in a KV store of version 2."""
