"""``python -m orchestrator.app`` is ``ephd``."""

from __future__ import annotations

import sys

from orchestrator.app import main

sys.exit(main())
