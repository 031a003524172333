"""The error type of this target."""

from __future__ import annotations

from programs.kit.errors import TargetError


class AwsError(TargetError):
    """What failed on AWS, where, and what to do about it."""
