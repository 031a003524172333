"""The audit of locked packages and the software bill of materials (S3).

pip-audit and cyclonedx-bom are the real ones. OSV is a server on this machine.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from stacks.toolchain import downloads, pulumi_cli

ROOT = Path(__file__).parents[2]
LOCK = "harmless==1.0.0\nflawed==1.0.0\n"
FLAW: dict[str, Any] = {
    "id": "PYSEC-2026-1",
    "details": "A flaw.",
    "published": "2026-01-01T00:00:00Z",
    "affected": [
        {
            "package": {"name": "flawed", "ecosystem": "PyPI"},
            "versions": ["1.0.0"],
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "1.0.1"}]}],
        }
    ],
}


class Database(BaseHTTPRequestHandler):
    """Answers as OSV does: what it knows about one version of one package."""

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        body = json.dumps({"vulns": [FLAW]} if asked["package"]["name"] == "flawed" else {}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def database() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Database) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/v1/query"
        server.shutdown()
        thread.join()


def audit(tmp_path: Path, address: str, lock: str) -> subprocess.CompletedProcess[str]:
    file = tmp_path / "requirements.lock"
    file.write_text(lock)
    direct = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    command = ["infra/toolchain/audit.sh", sys.executable, str(file)]
    env = {**direct, "EPH_AUDIT_URL": address, "XDG_CACHE_HOME": str(tmp_path / "cache")}
    return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.long
def test_known_vulnerability_of_a_locked_package_fails(tmp_path: Path, database: str) -> None:
    done = audit(tmp_path, database, LOCK)
    assert done.returncode == 1
    assert "PYSEC-2026-1" in done.stdout
    assert audit(tmp_path, database, LOCK.splitlines()[0]).returncode == 0


def test_unreachable_database_is_reported_and_stops_nothing(tmp_path: Path) -> None:
    done = audit(tmp_path, "http://127.0.0.1:9/v1/query", LOCK)
    assert done.returncode == 0
    assert "audit: skipped" in done.stderr


@pytest.mark.long
def test_bill_of_materials_lists_the_locked_packages_and_the_tools(tmp_path: Path) -> None:
    file = tmp_path / "eph.cdx.json"
    subprocess.run([sys.executable, "infra/toolchain/sbom.py", str(file)], cwd=ROOT, check=True, capture_output=True)
    bill = json.loads(file.read_text())
    assert (bill["bomFormat"], bill["metadata"]["component"]["name"]) == ("CycloneDX", "eph")
    listed = {component["name"]: component["version"] for component in bill["components"]}
    lock = (ROOT / "requirements.lock").read_text()
    packages = dict(line.split(" ")[0].split("==") for line in lock.splitlines() if "==" in line)
    assert {name: version for name, version in listed.items() if "/" not in name} == packages
    assert listed["github.com/pulumi/pulumi/pkg/v3"] == f"v{pulumi_cli.VERSION}"
    hashes = {
        found["content"]
        for component in bill["components"]
        for place in component.get("externalReferences", ())
        for found in place.get("hashes", ())
    }
    assert set(downloads.SHA256.values()) <= hashes
