"""How hypothesis runs in all tests: it judges what is right, never how long it took on a machine that is busy."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

settings.register_profile("eph", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("eph")
