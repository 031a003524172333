"""Stacks of an earlier version can be updated and destroyed: their state names classes by where they were. Row: L7."""

from __future__ import annotations

import base64
import pickle
import subprocess
import sys
from importlib import import_module

import pytest
from pulumi.dynamic import ResourceProvider

PICKLED = {
    "local.v1.base": ["Provider"],
    "local.v1.commands": ["CommandProvider", "LastWordsProvider", "OnceProvider"],
    "local.v1.data": ["DatabaseProvider", "SeedProvider"],
    "local.v1.places": ["CheckoutProvider", "HomeProvider", "PortsProvider"],
    "local.v1.serving": ["CurrentProvider", "RouteProvider", "ServiceProvider"],
    "kubernetes.v1.providers": [
        "DoneProvider",
        "DoorProvider",
        "LastWordsProvider",
        "MarkProvider",
        "PasswordProvider",
        "ReadyProvider",
        "SharedDatabaseProvider",
    ],
}
"""Every class that version 0.1 pickled, by the module that it was in, below ``programs``."""


def pickled(module: str, name: str) -> bytes:
    """What ``pickle.dumps(Class())`` gave when the class was in that module."""
    return f"ccopyreg\n_reconstructor\n(cprograms.{module}\n{name}\nc__builtin__\nobject\nNtR.".encode()


@pytest.mark.parametrize(("module", "name"), [(module, name) for module in PICKLED for name in PICKLED[module]])
def test_provider_pickled_under_its_old_path_is_the_class_of_today(module: str, name: str) -> None:
    provider = pickle.loads(pickled(module, name))  # noqa: S301 - our own bytes
    assert type(provider) is getattr(import_module(f"programs.targets.{module}"), name)
    assert isinstance(provider, ResourceProvider)


def test_a_fresh_process_reads_it_as_pulumi_does() -> None:
    """Pulumi's own plugin imports nothing of ours before it unpickles."""
    text = base64.b64encode(pickled("local.v1.places", "HomeProvider")).decode()
    code = f"import base64, dill; print(type(dill.loads(base64.b64decode('{text}'))).__module__)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "programs.targets.local.v1.places"


def test_what_is_pickled_today_names_the_module_of_today() -> None:
    moved = import_module("programs.local.v1.places").HomeProvider
    assert b"programs.targets.local.v1.places" in pickle.dumps(moved())
    assert moved.__module__ == "programs.targets.local.v1.places"


@pytest.mark.parametrize("name", ["programs.nothing", "programs.local.nothing", "programs.targets.nothing.v1"])
def test_nothing_else_is_found(name: str) -> None:
    with pytest.raises(ModuleNotFoundError):
        import_module(name)
