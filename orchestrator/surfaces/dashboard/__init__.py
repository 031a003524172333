"""The pages for people: rendered on the server, one stylesheet, no script.

They read the same views as the API and act through the same desk, with the role of the person who signed in. A
page refreshes itself every few seconds; the one that asks 'are you sure' does not.
"""

from orchestrator.surfaces.dashboard.dashboard_pages import router

__all__ = ["router"]
