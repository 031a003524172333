"""What may be written in an eph.yaml, one file a section. Nothing here knows of the server or of targets."""
