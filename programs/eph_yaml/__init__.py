"""Building blocks of the sections of eph.yaml, for Eph's own sections and for those that targets declare."""
