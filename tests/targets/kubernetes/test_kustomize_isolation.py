"""What the process that builds a repository's kustomization can't reach (S3)."""

from __future__ import annotations

import socket
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from programs.kit.processes import sandbox
from programs.targets.kubernetes.commit_files import InMemoryFiles
from programs.targets.kubernetes.errors import KubernetesError
from programs.targets.kubernetes.manifests import kustomization, renderer
from tests.targets.kubernetes.kustomizations import BASE, needs_kustomize, overlay, read
from tests.targets.kubernetes.render_tools import write_script


def test_kustomize_gets_nothing_of_this_server(
    tmp_path: Path, no_sandbox: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even git, which it would fetch bases with."""
    monkeypatch.setenv("EPH_FORGE__TOKEN", "secret")
    script = '/usr/bin/env >&2; echo "git: <$(command -v git)>" >&2; echo "$@" >&2; exit 1'
    program = write_script(tmp_path, "kustomize", script)
    with pytest.raises(KubernetesError) as caught:
        read(overlay(), program=program)
    shown = "\n".join(caught.value.tail)
    assert "PATH=/nonexistent" in shown
    assert "secret" not in shown
    assert "git: <>" in shown
    assert caught.value.tail[-1] == "build --load-restrictor LoadRestrictionsRootOnly repository/over"


def test_time_and_output_are_limited(tmp_path: Path, no_sandbox: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(renderer, "LIMITS", replace(renderer.LIMITS, seconds=1))
    with pytest.raises(KubernetesError, match="took longer than 1 s"):
        read(overlay(), program=write_script(tmp_path, "kustomize", "/bin/sleep 60"))
    monkeypatch.setattr(renderer, "LIMITS", replace(renderer.LIMITS, output_bytes=51200))
    with pytest.raises(KubernetesError, match="renders more than 51200 bytes"):
        read(
            overlay(),
            program=write_script(tmp_path, "kustomize", "while :; do echo 'a: aaaaaaaaaaaaaaaaaaaaaaa'; done"),
        )


def test_a_server_without_kustomize_says_so() -> None:
    with pytest.raises(KubernetesError, match=r"kustomize isn't installed on this server.*set kubernetes\.kustomize"):
        read(overlay(), program="/nowhere/kustomize")


@needs_kustomize
@pytest.mark.parametrize("isolated", [True, False])
def test_without_our_check_kustomize_still_reaches_nothing(
    tmp_path: Path, isolated: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second line of defence: its environment, its flags, and the sandbox where there is one."""
    if isolated and not sandbox.works():
        pytest.skip("needs bubblewrap")
    monkeypatch.setattr(sandbox, "works", lambda: isolated)
    original = kustomization.read

    def unchecked(files: Any, folder: str, inputs: renderer.InputFiles) -> kustomization.KustomizeInput:
        read = original(InMemoryFiles(BASE), "base", inputs)
        inputs.add(f"{read.root}/kustomization.yaml", files.read_bytes("over/kustomization.yaml"))
        return read

    monkeypatch.setattr(kustomization, "read", unchecked)
    for fields in (
        {"resources": ["https://example.test/base.yaml"]},
        {"resources": ["https://github.com/acme/base?ref=main"]},
        {"configMapGenerator": [{"name": "x", "files": ["/etc/hostname"]}]},
        {"helmCharts": [{"name": "x", "repo": "https://example.test"}]},
        {"transformers": ["apiVersion: example.test/v1\nkind: Exec\nmetadata: {name: t}\n"]},
    ):
        with pytest.raises(KubernetesError, match="kustomize can't render"):
            read({"over/kustomization.yaml": yaml.safe_dump(fields)})


def test_without_bubblewrap_a_renderer_opens_no_socket(tmp_path: Path, no_sandbox: None) -> None:
    """S3: most pods can't create namespaces. The rendering still has no network and no DNS."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        code = f"""
import socket, sys
for attempt in (
    lambda: socket.create_connection(("127.0.0.1", {port}), 1),
    lambda: socket.getaddrinfo("example.test", 80),
    lambda: socket.socket(socket.AF_UNIX),
    lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM),
):
    try:
        attempt()
        print("OPEN", file=sys.stderr)
    except OSError as error:
        print(type(error).__name__, file=sys.stderr)
"""
        program = write_script(tmp_path, "kustomize", f"{sys.executable} -I -S -c '{code}'; exit 1")
        with pytest.raises(KubernetesError) as caught:
            read(overlay(), program=program)
        server.setblocking(False)
        with pytest.raises(BlockingIOError):
            server.accept()
    assert [line for line in caught.value.tail if line] == ["PermissionError", "gaierror", *2 * ["PermissionError"]]
