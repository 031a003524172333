"""Where the values of previews' secrets are stored, behind one port, with one folder per adapter.

Knows nothing of previews, repositories or the server's settings beyond the tables that the adapters declare.
"""
