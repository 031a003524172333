"""``python -m orchestrator.demo`` runs ``eph demo``."""

from __future__ import annotations

import sys

from orchestrator.demo import wording

if not {"-h", "--help"} & set(sys.argv):
    # The imports below take a while, so say at once that something is happening.
    sys.stderr.write(f"{wording.STARTING}\n")
    sys.stderr.flush()

from orchestrator.demo.entrypoint import main

sys.exit(main(sys.argv[1:]))
