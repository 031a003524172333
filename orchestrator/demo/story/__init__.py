"""The demo's story, played unattended and checked from outside."""
