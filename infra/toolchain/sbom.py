"""Writes the software bill of materials (CycloneDX 1.6, JSON) of what Eph runs with: ``sbom.py FILE``.

It contains the packages of requirements.lock and the tools that Eph starts, with all hashes. It needs no network. The
same tree results in the same file.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from stacks.toolchain import downloads, plugins, pulumi_cli

ROOT = Path(__file__).parents[2]
MODULES = {
    "pulumi": "github.com/pulumi/pulumi/pkg/v3",
    "kubernetes": "github.com/pulumi/pulumi-kubernetes/provider/v4",
    plugins.HELM: "helm.sh/helm/v3",
    plugins.KUSTOMIZE: "sigs.k8s.io/kustomize/kustomize/v5",
}


def write(file: Path) -> int:
    """The number of components."""
    command = [sys.executable, "-W", "ignore", "-m", "cyclonedx_py", "requirements", "requirements.lock"]
    command += ["--pyproject", "pyproject.toml", "--output-reproducible", "--spec-version", "1.6", "--no-validate"]
    bill = json.loads(subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout)
    bill["components"] += [_tool(name, module) for name, module in MODULES.items()]
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(bill, indent=2) + "\n")
    return len(bill["components"])


def _tool(name: str, module: str) -> dict[str, Any]:
    """A program that is built from a Go module, or downloaded as one of the archives."""
    version = pulumi_cli.VERSION if name == "pulumi" else plugins.version(name)
    purl = f"pkg:golang/{module}@v{version}"
    prefix = f"pulumi-v{version}-" if name == "pulumi" else f"pulumi-resource-{name}-v{version}-"
    archives = [
        {"type": "distribution", "url": archive, "hashes": [{"alg": "SHA-256", "content": digest}]}
        for archive, digest in downloads.SHA256.items()
        if archive.startswith(prefix)
    ]
    return {
        "bom-ref": purl,
        "name": module,
        "version": f"v{version}",
        "type": "application",
        "purl": purl,
        **({"externalReferences": archives} if archives else {}),
    }


if __name__ == "__main__":
    sys.stderr.write(f"sbom: {write(Path(sys.argv[1]))} components in {sys.argv[1]}\n")
