"""What people and programs see: rendered from ``core.views``, never from the world itself."""
