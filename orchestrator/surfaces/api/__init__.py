"""The REST API. FastAPI is imported here and in ``surfaces.dashboard`` only."""
