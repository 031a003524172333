"""Which requests count as visits: they keep a preview awake, and wake one that is asleep.

Health checks (ephd's own, and others by their path or headers), robots and a browser's prefetching don't count.
Everything else does: a person must never be mistaken for a robot, and a disguised robot costs no more than a person.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from aiohttp import hdrs

from orchestrator.gateway.wake.traffic_log import PROBE_HEADER

_ROBOTS = re.compile(
    r"bot\b|bot[/ ;)-]|crawl|spider|slurp|facebookexternalhit|embedly|pingdom|uptime|statuscake|monitor|"
    r"health-?check|kube-probe|googlehc|prometheus|blackbox|eph-health",
    re.IGNORECASE,
)
ROBOTS_PATH = "/robots.txt"


def is_visit(method: str, path: str, headers: Mapping[str, str], health_path: str = "") -> bool:
    """``health_path``: the path of the service's health check."""
    if (
        PROBE_HEADER in headers
        or path == ROBOTS_PATH
        or (health_path not in ("", "/") and path == health_path and method != "POST")
    ):
        return False
    ahead = f"{headers.get('Sec-Purpose', '')} {headers.get('Purpose', '')}"
    return "prefetch" not in ahead and not _ROBOTS.search(headers.get(hdrs.USER_AGENT, ""))


def is_browser(method: str, headers: Mapping[str, str]) -> bool:
    """Whether a person is waiting for a page, so that a holding page can be shown."""
    return method == "GET" and "text/html" in headers.get(hdrs.ACCEPT, "")
