"""What ephd holds on its machine while it runs: addresses, folders, and the gateway's process."""
