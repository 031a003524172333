"""Why the images of the sample shop can't be assembled on this machine."""

from __future__ import annotations

NO_POSTGRES = "PostgreSQL isn't installed in /usr/lib/postgresql (Debian package: postgresql)"


def no_python_package(name: str) -> str:
    return f"the Python package {name}, which the sample shop needs, isn't installed"


def no_program(name: str) -> str:
    return f"the program {name} isn't on PATH"
