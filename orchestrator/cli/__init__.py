"""``eph``: parses, calls the API, prints; nothing more. ``demo`` and ``doctor`` are its doors into ``app``.

Importing a command module must stay cheap: httpx, Rich and Pydantic are imported where they are used, so that
``eph --help`` and completion answer at once.
"""
