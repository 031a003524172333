"""The API's web servers: at its own address and for other replicas."""
