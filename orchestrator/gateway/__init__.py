"""The door in front of every preview: a process of its own that routes by host name. Imports only core."""
