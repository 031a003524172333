"""The parts of the in-memory service, by kind of request."""
