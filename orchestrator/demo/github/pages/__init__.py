"""The sandbox for people: repositories, pull requests, and the few things that can be done to them. No JavaScript.

Whoever looks at the page is the owner, ada. A form is obeyed only when the browser says that it came from this very
page, and only under a name of this machine: another site cannot push through somebody's browser.
"""

from orchestrator.demo.github.pages.page_views import routes

__all__ = ["routes"]
