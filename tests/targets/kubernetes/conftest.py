"""The fixtures of the tests of the Kubernetes target."""

from __future__ import annotations

import pytest

from programs.kit.processes import sandbox


@pytest.fixture
def no_sandbox(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a machine where bubblewrap doesn't work: a script needs a shell, which the sandbox doesn't contain."""
    monkeypatch.setattr(sandbox, "works", lambda: False)
