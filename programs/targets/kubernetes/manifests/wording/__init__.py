"""What is wrong with a commit's manifests, and what previews leave out of them.

One module a topic, used qualified (``wording.fields.must_be_list``).
"""

from __future__ import annotations

from programs.targets.kubernetes.manifests.wording import fields, images, omissions, reading, rendering, services

__all__ = ["fields", "images", "omissions", "reading", "rendering", "services"]
