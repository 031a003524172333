"""GitHub by PyGithub. ``transport`` asks and remembers, ``readings`` makes values of answers, ``errors`` translates
what goes wrong, ``client`` is the port, with ``comments`` and ``marks`` for what we write."""

from orchestrator.forges.github.github_forge import GITHUB, GitHubForge

__all__ = ["GITHUB", "GitHubForge"]
