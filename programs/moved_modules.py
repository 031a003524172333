"""Lets Pulumi's state refer to targets by the module names of earlier versions.

A state keeps each dynamic provider as a pickled reference to its class, such as ``programs.local.v1.data``. Targets
have since moved to ``programs.targets``, so importing an old name returns the current module. The finder is installed
when ``programs`` is imported, so it is there before any import below it, whichever process reads the state.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

TARGETS = Path(__file__).parent / "targets"


class _Alias(Loader):
    def __init__(self, name: str) -> None:
        self._name = name

    def create_module(self, spec: ModuleSpec) -> ModuleType:  # noqa: ARG002 - the signature is the library's
        module = import_module(self._name)
        self._spec = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        """Nothing to execute: the module already ran under its own name. Restores the spec that the import machinery
        overwrote."""
        module.__spec__ = self._spec


class MovedTargets(MetaPathFinder):
    """Finds ``programs.TARGET`` and its submodules in ``programs.targets``."""

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,  # noqa: ARG002 - the signature is the library's
        target: ModuleType | None = None,  # noqa: ARG002 - the signature is the library's
    ) -> ModuleSpec | None:
        room, _, rest = fullname.partition(".")
        name = rest.partition(".")[0]
        if room != "programs" or not name or not (TARGETS / name / "v1").is_dir():
            return None
        package = TARGETS.joinpath(*rest.split(".")).is_dir()
        return ModuleSpec(fullname, _Alias(f"programs.targets.{rest}"), is_package=package)


def install() -> None:
    if not any(isinstance(finder, MovedTargets) for finder in sys.meta_path):
        sys.meta_path.insert(0, MovedTargets())
