"""The sandbox's REST paths. ``way`` is what every request passes; the others are plain functions of a ``Call``."""
