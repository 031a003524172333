"""Attacks on a whole Eph whose previews run on a real cluster: ``make attack-cluster``."""
