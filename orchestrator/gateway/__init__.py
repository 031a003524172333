"""The reverse proxy in front of every preview, which routes by host name and runs in its own process. Imports only
core and programs.kit."""
