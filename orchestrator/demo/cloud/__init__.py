"""A small cloud for the demo's Pulumi project, with an API, credentials and pages. Not part of Eph's service."""
