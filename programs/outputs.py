"""The outputs of an environment, one shape for every target (T7)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pulumi
from pulumi import Output

from programs.spec import EnvironmentSpec


@dataclass(frozen=True, slots=True)
class OutputExporter:
    """``urls`` by service, the first being the environment's own. ``database_urls`` by database, kept secret."""

    urls: Mapping[str, str]
    database_urls: Mapping[str, Any]
    logs: str
    inspect: Sequence[str]
    notices: Sequence[str] | Output[list[str] | None] = ()
    """What the build left out, for the author."""
    health: Mapping[str, str] = field(default_factory=dict)
    """The path of health checks by service, for services that aren't in the spec."""

    def export(self, spec: EnvironmentSpec, version: str, completed_at: Output[str]) -> None:
        """Exports the outputs. ``completed_at`` resolves only after everything is built, and so does ``built``: a
        failed update leaves the previous value."""
        url, urls = next(iter(self.urls.values()), ""), dict(self.urls)
        built = {
            "commit": spec.source.commit,
            "spec_digest": spec.digest,
            "program_version": version,
            "target": spec.target,
            "url": url,
            "urls": urls,
            **({"images": dict(spec.images), "found": dict(spec.found)} if spec.images else {}),
            **({"health": dict(self.health)} if self.health else {}),
        }
        pulumi.export("url", url)
        pulumi.export("urls", urls)
        pulumi.export("database_urls", Output.secret(dict(self.database_urls)))
        pulumi.export("logs", self.logs)
        pulumi.export("inspect", list(self.inspect))
        pulumi.export("built", Output.all(completed_at, self.notices).apply(lambda known: _with_result(built, *known)))


def _with_result(built: Mapping[str, Any], at: str, notices: Sequence[str] | None) -> dict[str, Any]:
    return {**built, **({"notices": list(notices)} if notices else {}), "at": at}
