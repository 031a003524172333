"""Reports across environments: costs, an audit of resources, pending comments, notifications."""
