"""The eph.yaml files that the worlds' repositories contain."""

from __future__ import annotations

EPH_YAML = """\
version: "1.0"
name: shop
services:
  - name: web
    command: python3 web.py
"""
BAD_YAML = EPH_YAML + "servces: []\n"


def eph_yaml(more: str = "") -> dict[str, str]:
    return {"eph.yaml": EPH_YAML + more}
