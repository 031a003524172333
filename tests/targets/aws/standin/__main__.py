"""``python -m tests.targets.aws.standin [--no-tasks] ADDRESS``: Pulumi starts it and reads its port.

``--no-tasks``: this stand-in for AWS records services but doesn't run them, so waiting for them would never end.
"""

from __future__ import annotations

import sys
from importlib import metadata

from pulumi.provider.experimental.server import main

from tests.targets.aws.standin import kinds
from tests.targets.aws.standin.provider import StandIn

if __name__ == "__main__":
    kinds.load()
    words = [word for word in sys.argv[1:] if word != "--no-tasks"]
    main(words, metadata.version("pulumi-aws"), StandIn(runs_tasks="--no-tasks" not in sys.argv))
