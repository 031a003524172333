"""The door in front of every preview: a process of its own that routes by host name. Imports nothing of Eph but core."""
