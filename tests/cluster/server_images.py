"""Images of the servers that environments have besides PostgreSQL, from the programs of this machine."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import programs
from orchestrator.demo.cluster import base_images
from orchestrator.demo.cluster.oci import ImageLayer, OciImage

MAIL_PACKAGES = ("aiosmtpd", "atpublic", "attrs")
_PROGRAMS = Path(str(programs.__file__)).parent
_LINKS = {name: f"usr/{name}" for name in ("bin", "lib", "lib64")}


@cache
def redis_image() -> OciImage:
    """``make databases`` installs Redis."""
    files = base_images.shell_programs(("redis-server", "redis-cli", "cat"))
    files["etc/passwd"] = b"redis:x:999:999::/tmp:/bin/sh\n"
    layer = ImageLayer(files, _LINKS, ("tmp", "data"))
    return OciImage((layer,), ("redis-server",), env={"PATH": "/usr/bin"}, user="999")


@cache
def mail_image() -> OciImage:
    """Python with the mail catcher, as Eph's own image has it."""
    packages = [_PROGRAMS / "__init__.py", _PROGRAMS / "moved_modules.py", _PROGRAMS / "kit" / "__init__.py"]
    own = [*packages, *(_PROGRAMS / "kit/mail_catcher").glob("*.py")]
    files: base_images.ImageFiles = {
        f"opt/packages/{name}": path for name, path in base_images.python_packages(MAIL_PACKAGES)
    }
    files |= {f"opt/packages/{path.relative_to(_PROGRAMS.parent)}": path for path in own}
    base = base_images.python_image()
    return OciImage((*base.layers, ImageLayer(files, writable_dirs=("data",))), ("python3",), env=base.env)
