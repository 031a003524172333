"""The service ``ephd`` and the client ``eph``.

Rooms and their import direction are proven by import-linter (pyproject.toml); ``app`` alone knows everybody.
"""
