"""The resource types that the program uses, a module per service."""

from __future__ import annotations

import importlib
import pkgutil


def load() -> None:
    """Imports every module, which registers its types."""
    for module in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{module.name}")
