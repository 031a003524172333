"""``python -m orchestrator.demo`` is ``eph demo``."""

from __future__ import annotations

import sys

from orchestrator.demo.entrypoint import main

sys.exit(main(sys.argv[1:]))
