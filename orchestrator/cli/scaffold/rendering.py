"""Writes the eph.yaml for a detected app, with comments for the person who edits it next."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

from orchestrator.cli.scaffold.detected_app import DetectedApp, DetectedService
from programs import registry

TEMPLATE = """\
# How this repository gets its preview environments. `eph validate` checks it.
version: "1.0"
name: {name}
target: {target}

# A pull request with this label gets an environment.
triggers:
  - type: pr_label
    labels: ["preview"]

environment:
  # Counted from the last push. `eph extend NAME 24h` adds a day.
  ttl: 72h
{content}"""

IMAGES = """\

  # Images that CI pushes for each commit run in place of those in the manifests:
  # images:
  #   - name: web
  #     repository: registry.example.com/acme/shop
  #     tag_template: "{commit_sha}"
"""

BUILD = """\

# Prepares a checkout; runs once per commit.
{build}
services:
{services}"""

LISTEN = "    # It must listen on 127.0.0.1 at $PORT. The database's URL is in $DATABASE_URL.\n"
READY = "      # Ready means a 2xx response, or a redirect within the environment that ends in one.\n"

NO_SERVICES = """\

# Eph found no app to start. Fill in the command, then run `eph validate`.
# build: "make build"
# services:
#   - name: web
#     # It must listen on 127.0.0.1 at $PORT. The database's URL is in $DATABASE_URL.
#     command: ""
#     health:
#       path: /
"""

DATABASE = """\

# Each environment gets its own PostgreSQL database.
database:
{instances}"""

NO_INSTANCES = """\
  enabled: false
  # instances:
  #   - name: main
  #     template:
  #       strategy: seed
  #       seed:
  #         scripts: ["./db/schema.sql"]
  #     migrate: "make migrate"
"""

MIGRATE_FIRST = """\
      # Rows for each new environment. The migrations create their tables, so they run first.
      # order: migrate-first
      # template:
      #   strategy: seed
      #   seed:
      #     command: "make seed"
"""


def repository_root(start: Path) -> Path:
    """The repository's root, or the folder itself if it isn't in a repository."""
    for folder in (start, *start.parents):
        if (folder / ".git").exists():
            return folder
    return start


def render_eph_yaml(folder: str, app: DetectedApp) -> str:
    return TEMPLATE.format(name=project_name(folder), target=app.target, content="".join(_content(app)))


def project_name(folder: str) -> str:
    """Lowercase letters, digits and single dashes, starting with a letter, short enough for a host name with the
    words."""
    name = re.sub(r"[^a-z0-9]+", "-", folder.lower()).strip("-")
    name = name if name[:1].isalpha() else f"app-{name}"
    return name[:22].strip("-") or "app"


def _content(app: DetectedApp) -> Iterator[str]:
    if app.section:
        found = registry.describe(app.target)
        yield IMAGES if found is not None and found.runs_images else ""
        yield f"\n{app.target}:\n"
        for key, value in app.section.items():
            yield f"  {key}: {json.dumps(value)}\n"
        return
    if not app.services:
        yield NO_SERVICES
    else:
        build = f"build: {json.dumps(app.build)}\n" if app.build else '# build: "make build"\n'
        yield BUILD.format(build=build, services="".join(map(_service, app.services)))
    yield DATABASE.format(instances=_instances(app))


def _service(service: DetectedService) -> str:
    lines = f"  - name: {service.name}\n"
    if not service.health:
        return f"{lines}    command: {json.dumps(service.command)}\n    public: false\n    health: none\n"
    lines += f"{LISTEN}    command: {json.dumps(service.command)}\n"
    if service.env:
        lines += "    env:\n" + "".join(f"      {name}: {json.dumps(text)}\n" for name, text in service.env.items())
    return f"{lines}    health:\n{READY}      path: {service.health}\n"


def _instances(app: DetectedApp) -> str:
    if not app.database:
        return NO_INSTANCES
    instance = "  instances:\n    - name: main\n"
    if not app.migrate:
        return f'{instance}      # migrate: "make migrate"\n'
    return f"{instance}      migrate: {json.dumps(app.migrate)}\n{MIGRATE_FIRST}"
