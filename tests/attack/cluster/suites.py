"""Connections that a pull request's test suite opens. It runs next to ephd, whose machine reaches more than its pods.

One suite tries all of them, directly and through its proxy, and reports what opened. Each attack first sees that the
address answers on this machine, and that the suite reaches the preview's own URL.
"""

from __future__ import annotations

import http.client
import json
import subprocess
from collections.abc import Callable
from urllib.parse import urlsplit

from tests.attack.arena import Arena
from tests.attack.attack import Family, NotTried
from tests.attack.cluster.cluster_arena import PATIENCE, ClusterArena
from tests.e2e.site import wait_until

FAMILY = Family("test suites")
OPENS = "something answers"
OWN, METADATA, METADATA_NETWORK = "own", "169.254.169.254", "169.254.169.254/32"
BRANCH = "suite"
PROBE = """
import http.client, json, os, sys
from urllib.parse import urlsplit

def ask(place, host, method="GET", path="/"):
    connection = http.client.HTTPConnection(place, timeout=5)
    try:
        connection.request(method, path, headers={"Host": host, "Metadata-Flavor": "Google"})
        return connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        return type(error).__name__

proxy = urlsplit(os.environ.get("http_proxy", "http://127.0.0.1:3128")).netloc
for name, (place, host) in json.loads(sys.argv[1]).items():
    answers = [ask(place, host), ask(proxy, place, "CONNECT", place), ask(proxy, host, "GET", f"http://{place}/")]
    print("probe", name, *answers, flush=True)
own = urlsplit(os.environ["PREVIEW_URL"])
print("probe", "own", ask(own.netloc, own.netloc, path="/healthz"), flush=True)
sys.exit(1)
"""
Place = tuple[str, str]
"""An address, and the name in the request."""


def _api_server(made: ClusterArena) -> Place:
    config = json.loads(made.cluster.kubectl("config", "view", "-o", "json"))
    place = urlsplit(config["clusters"][0]["cluster"]["server"]).netloc
    return place, place


def _metadata(made: ClusterArena) -> Place:
    """On this machine as on one in a cloud: the node has it, and this machine finds it there."""
    route = ["ip", "route", "add", METADATA_NETWORK, "via", made.node_address]
    if subprocess.run(route, capture_output=True, check=False).returncode == 0:
        made.exits.callback(subprocess.run, ["ip", "route", "del", METADATA_NETWORK], capture_output=True, check=False)
    return f"{METADATA}:80", METADATA


def _with_port(url: str) -> str:
    place = urlsplit(url).netloc
    return place if ":" in place else f"{place}:80"


def _loopback(port: int) -> Place:
    return f"127.0.0.1:{port}", f"127.0.0.1:{port}"


TARGETS: dict[str, Callable[[ClusterArena], Place]] = {
    "the cloud's metadata service": _metadata,
    "Eph's API": lambda made: _loopback(made.site.api_port),
    "the Git host on the machine's loopback": lambda made: _loopback(int(made.site.forge.url.rpartition(":")[2])),
    "Eph's dashboard by the preview's port": lambda made: _loopback(made.site.gateway_port),
    "another preview by the preview's port": lambda made: (
        f"127.0.0.1:{made.site.gateway_port}",
        f"{made.victim.host}:{made.site.gateway_port}",
    ),
    "the API server of the cluster": _api_server,
    "the ingress controller of all previews": lambda made: (_with_port(made.cluster.ingress), made.victim.host),
}


@FAMILY.each("S3 P4", "connect to {}", OPENS, {name: name for name in TARGETS})
def connect(arena: Arena, name: str) -> str:
    made = arena.cluster
    place, host = TARGETS[name](made)
    if not _answers(place, host):
        raise NotTried(f"nothing answers at {place}")
    results = _results(arena)
    if results[OWN] != ["200"]:
        raise NotTried(f"the suite doesn't reach its own preview: {results}")
    return f"{name}: {results[name]}" if _is_open(place, made, *results[name]) else ""


def _answers(place: str, host: str) -> bool:
    connection = http.client.HTTPConnection(place, timeout=5)
    try:
        connection.request("GET", "/", headers={"Host": host})
        connection.getresponse()
    except OSError:
        return False
    finally:
        connection.close()
    return True


def _is_open(place: str, made: ClusterArena, direct: str, *proxied: str) -> bool:
    """The preview's own port answers 400 or 404 for other names, and the proxy 403 or 502 for other addresses."""
    closed = ("400", "404") if place.endswith(f":{made.site.gateway_port}") else ()
    return (direct.isdigit() and direct not in closed) or any(
        word.isdigit() and word not in ("403", "502") for word in proxied
    )


def _results(arena: Arena) -> dict[str, list[str]]:
    made = arena.cluster
    if not made.suite_results:
        made.suite_results.update(_run(made))
    return made.suite_results


def _run(made: ClusterArena) -> dict[str, list[str]]:
    places = {str(number): build(made) for number, build in enumerate(TARGETS.values())}
    tests = f"tests:\n  - {{name: probe, command: \"python3 probe.py '{_quoted(places)}'\", timeout: 3m}}\n"
    files = made.site.files()
    files["eph.yaml"] += tests
    number, _ = made.open_pull(BRANCH, {**files, "probe.py": PROBE})
    wait_until("the suite has run", lambda: "" if f"probe {OWN}" in made.site.comment(number) else "not yet", PATIENCE)
    lines = [line.split() for line in made.site.comment(number).splitlines() if line.strip().startswith("probe ")]
    found = {words[1]: words[2:] for words in lines}
    names = {str(number): name for number, name in enumerate(TARGETS)}
    return {names.get(key, key): answers for key, answers in found.items()}


def _quoted(places: dict[str, Place]) -> str:
    """Inside a double-quoted YAML scalar."""
    return json.dumps(places).replace("\\", "\\\\").replace('"', '\\"')
