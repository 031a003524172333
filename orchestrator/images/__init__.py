"""Image lookup: registries by API v2, and git notes. Imports only the core.

A request comes from the author of the pull request, and a response from whoever runs the registry. Both are restricted
(``registry_policy``, ``registry_http``), and neither ever sees a secret that isn't its own.
"""
