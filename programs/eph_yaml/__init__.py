"""What the sections of an eph.yaml are made of, for Eph's own sections and for those that targets declare."""
