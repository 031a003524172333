"""Web pages for people: rendered on the server, one stylesheet, no scripts.

They read the same views as the API and call the same service, with the role of the person who signed in. Pages refresh
themselves every few seconds, except those that ask for confirmation.
"""

from orchestrator.surfaces.dashboard.dashboard_pages import router

__all__ = ["router"]
