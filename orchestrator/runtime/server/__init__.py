"""What ephd uses on its machine: addresses, folders, and the gateway's process."""
