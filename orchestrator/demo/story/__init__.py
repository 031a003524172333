"""The demo's unattended story, checked from outside Eph."""
