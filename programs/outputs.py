"""The outputs of an environment, one shape for every target (T7)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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
    notices: Sequence[str] = ()
    """What the build left out, for the author."""

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
            **({"notices": list(self.notices)} if self.notices else {}),
            **({"images": dict(spec.images), "found": dict(spec.found)} if spec.images else {}),
        }
        pulumi.export("url", url)
        pulumi.export("urls", urls)
        pulumi.export("database_urls", Output.secret(dict(self.database_urls)))
        pulumi.export("logs", self.logs)
        pulumi.export("inspect", list(self.inspect))
        pulumi.export("built", completed_at.apply(lambda moment: {**built, "at": moment}))
