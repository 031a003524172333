"""``eph demo``: a complete Eph on this machine with a sample shop, interactive or as an unattended story."""
