"""The JSON Schema of eph.yaml, for editors: ``python -m orchestrator.config.eph_yaml.json_schema`` prints it.

``make docs`` stores it as docs/reference/eph.schema.json. It doesn't include the rules between sections, which
``eph validate`` checks.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from orchestrator.config.eph_yaml.models.document import EphYaml

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schema() -> dict[str, Any]:
    return {"$schema": DIALECT, **EphYaml.model_json_schema(), "title": "eph.yaml"}


def render() -> str:
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.stdout.write(render())
