"""``eph``: parses, calls the API, prints; nothing more. ``demo`` and ``doctor`` are its doors into ``app``."""
