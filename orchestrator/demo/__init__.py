"""``eph demo``: a whole Eph on this machine with a sample shop, to click on or to play its story unattended."""
