"""A first eph.yaml for a repository, from what its files say. Nothing is published that no file names as an app."""

from orchestrator.cli.scaffold.detection import detect, other_targets
from orchestrator.cli.scaffold.rendering import project_name, render_eph_yaml, repository_root

__all__ = ["detect", "other_targets", "project_name", "render_eph_yaml", "repository_root"]
