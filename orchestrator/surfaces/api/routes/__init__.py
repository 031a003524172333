"""The API's paths under `/v1`: environments, the service itself, and event streams."""
