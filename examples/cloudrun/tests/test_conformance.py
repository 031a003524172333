"""Eph's conformance suite for the target cloudrun, with stand-ins for Google and for Pulumi's plugin."""

import hashlib
import os
import shlex
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from orchestrator.conformance.suite import Commit, TargetConformance

sys.path.insert(0, str(Path(__file__).parent))

import standin_cloud

PROGRAM = """
import http.server, os

page = os.environ["PAGE"].encode()
if not page:
    raise SystemExit("there is no page")

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        self.wfile.write(page)

print("serving", os.environ["EPH_COMMIT"], flush=True)
http.server.HTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"""
IMAGE = f"europe-west1-docker.pkg.dev/acme-previews/shop/shop@sha256:{hashlib.sha256(PROGRAM.encode()).hexdigest()}"
FILE = """
version: "1.0"
name: shop
target: cloudrun
environment:
  env: {PAGE: "TEXT"}
  images:
    - {name: shop, repository: europe-west1-docker.pkg.dev/acme-previews/shop/shop, tag_template: "{commit_sha:0:12}"}
services:
  - {name: web, image: shop, port: 8080, health: {path: /}}
cloudrun: {max_instances: 2}
"""


class TestCloudRun(TargetConformance):
    target = "cloudrun"
    images: Mapping[str, str] = {"shop": IMAGE}
    first = Commit({"eph.yaml": FILE.replace("TEXT", "the first page")}, "the first page")
    second = Commit({"eph.yaml": FILE.replace("TEXT", "the second page")}, "the second page")
    broken = Commit({"eph.yaml": FILE.replace("TEXT", "")})


@pytest.fixture(scope="class")
def conformance_settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, Any]]:
    folder = tmp_path_factory.mktemp("bin")
    plugin = folder / "pulumi-resource-gcp"
    words = [sys.executable, str(Path(__file__).with_name("standin_plugin.py"))]
    plugin.write_text(f'#!/bin/sh\nexec {shlex.join(words)} "$@"\n')
    plugin.chmod(0o755)
    with standin_cloud.running({IMAGE: PROGRAM}) as cloud, pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
        yield cloud.settings()
        assert (cloud.services, cloud.mappings, cloud.live) == ({}, {}, {}), "counted in the cloud itself"
