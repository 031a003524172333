"""The Eph that is attacked on a cluster: real processes, with a victim's and an attacker's preview in real pods.

The cluster is the one that EPH_TEST_KUBECONFIG names, described as for ``tests/cluster``. The attacker has write access
to the repository, so their code and their manifests run, and holds no credentials.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
import time
from functools import cached_property
from pathlib import Path

from orchestrator.demo.github.demo_github import Files
from tests.attack.attack import NotTried
from tests.cluster import cluster_access
from tests.cluster.cluster_access import Cluster
from tests.cluster.ephd.test_ephd import ClusterSite
from tests.e2e.previews import Preview
from tests.e2e.site import REPOSITORY, wait_until

STRANGER = "eph-attack-stranger"
"""A namespace that isn't Eph's, with one pod of this name and without network policies."""
SERVICES = ("victim", "hostile")
"""Previews of services; the others consist of manifests."""
PATIENCE = 400.0
FAILED = ("Failed", "Not created", "can't", "Invalid")
EPH_YAML = """
version: "1.0"
name: shop
target: kubernetes
environment:
  images:
    - {{name: shop, repository: {registry}/acme/shop, tag_template: "{{commit_sha:0:7}}", fallback_tag: v1}}
kubernetes: {{manifests: [k8s]}}
"""
DONE = "END OF ATTACK"


class ClusterArena:
    """Everything starts when an attack first needs it, and ends with ``exits``."""

    def __init__(self, exits: contextlib.ExitStack) -> None:
        self.exits = exits
        self.suite_results: dict[str, list[str]] = {}
        self._pulls: list[int] = []

    @cached_property
    def cluster(self) -> Cluster:
        if not os.environ.get("EPH_TEST_KUBECONFIG"):
            raise NotTried("there is no cluster: run `make attack-cluster`, or set EPH_TEST_KUBECONFIG")
        made = Cluster.from_environment(self._folder(), os.environ)
        self.exits.callback(made.clear)
        cluster_access.push_images(made)
        return made

    @cached_property
    def site(self) -> ClusterSite:
        made = ClusterSite(self._folder(), self.cluster)
        self.exits.callback(made.close)
        self.exits.callback(self._close_pulls)
        made.open()
        return made

    def _folder(self) -> Path:
        made = self.exits.enter_context(tempfile.TemporaryDirectory(prefix="eph-attack-", ignore_cleanup_errors=True))
        Path(made).chmod(0o755)
        return Path(made)

    def _close_pulls(self) -> None:
        """Destroys all environments, so that the cluster is left as it was."""
        for number in self._pulls:
            self.site.forge.close_pull(REPOSITORY, number)
        wait_until("all namespaces are gone", lambda: ", ".join(self.site.namespaces()), PATIENCE)

    # --- previews

    @cached_property
    def previews(self) -> dict[str, Preview]:
        """Both are created at once."""
        opened = {branch: self.open_pull(branch, {**self.site.files(), "note.txt": branch}) for branch in SERVICES}
        return {branch: self.wait_for_preview(branch, *made) for branch, made in opened.items()}

    def open_pull(self, branch: str, files: Files) -> tuple[int, str]:
        """A labelled pull request, whose environment is destroyed at the end."""
        number, sha = self.site.open_pull(branch, files)
        self._pulls.append(number)
        return number, sha

    @property
    def victim(self) -> Preview:
        return self.previews["victim"]

    @property
    def hostile(self) -> Preview:
        return self.previews["hostile"]

    def harmless(self, manifests: str) -> Preview:
        """A preview that consists of these manifests; the same one for all attacks."""
        if "harmless" not in self.previews:
            self.previews["harmless"] = self.preview("harmless", manifests)
        return self.previews["harmless"]

    def open_manifests(self, branch: str, manifests: str) -> tuple[int, str]:
        """A labelled pull request whose previews consist of these manifests."""
        eph_yaml = EPH_YAML.format(registry=self.cluster.registry)
        return self.open_pull(branch, {"eph.yaml": eph_yaml, "k8s/all.yaml": manifests})

    def preview(self, branch: str, manifests: str) -> Preview:
        return self.wait_for_preview(branch, *self.open_manifests(branch, manifests))

    def wait_for_preview(self, branch: str, number: int, sha: str) -> Preview:
        """Until its pods respond."""
        made = Preview(number, branch, self.site.wait_for_host(number, PATIENCE), sha)
        wait_until(f"{branch} responds", lambda: self.problem_of(made), PATIENCE)
        return made

    def outcome(self, branch: str, manifests: str) -> str:
        """Eph's comment on a pull request with these manifests, once it says how the creation ended."""
        number, _ = self.open_manifests(branch, manifests)

        def pending() -> str:
            body = self.site.comment(number)
            return "" if any(word in body for word in (*FAILED, "Ready")) else body or "no comment"

        wait_until(f"{branch} is decided", pending, PATIENCE)
        return self.site.comment(number)

    # --- what must not change

    def problem_of(self, preview: Preview) -> str:
        """Empty while its own pods respond. Only those of services know their commit."""
        page = self.site.page(preview.host)
        own = f"commit {preview.commit}" if preview.branch in SERVICES else "hello from shop-"
        return "" if own in page.text else f"{page.status}: {page.text[:200]}"

    def victim_problem(self) -> str:
        found = self.problem_of(self.victim)
        if found:
            return f"the victim's preview responds with {found}"
        fruit = self.site.page(self.victim.host, "/query", sql="select name from fruit").text.strip()
        return "" if fruit == "apple" else f"the victim's data is {fruit!r}"

    # --- the attacker's code

    def run_code(self, script: str) -> str:
        """The output of a shell script in the attacker's own container, which must have run to its end."""
        words = ("-n", self.hostile.name, "exec", "deploy/web", "--", "sh", "-c", f"{{ {script}\n}} 2>&1; echo {DONE}")
        output = self.cluster.kubectl(*words)
        if DONE not in output:
            raise NotTried(f"the script didn't run to its end: {output[-800:]}")
        return output.replace(f"{DONE}\n", "")

    def can_connect(self, preview: Preview, address: str) -> bool:
        """From a pod of that preview."""
        return self.site.page(preview.host, "/connect", to=address).text.strip() == "yes"

    # --- the cluster around it

    @cached_property
    def stranger(self) -> str:
        """The address of a pod outside of all previews."""
        space = self.cluster.namespace(STRANGER)
        return self.cluster.create_pods(space, STRANGER)[STRANGER]

    def stranger_connects(self, address: str) -> bool:
        _ = self.stranger
        return self.cluster.can_connect(STRANGER, STRANGER, address)

    def pod_address(self, preview: Preview, service: str) -> str:
        found = self.cluster.get("pods", "-n", preview.name, "-l", f"eph.dev/service={service}")["items"]
        return next(str(pod["status"]["podIP"]) for pod in found if pod["status"].get("podIP"))

    @cached_property
    def node_address(self) -> str:
        return str(self.cluster.get("nodes")["items"][0]["status"]["addresses"][0]["address"])

    def wait_until_gone(self, preview: Preview, seconds: float) -> str:
        """What remains of its namespace after that time."""
        end = time.monotonic() + seconds
        while preview.name in self.site.namespaces():
            if time.monotonic() > end:
                return f"the namespace {preview.name} still exists after {seconds:.0f} s"
            time.sleep(0.5)
        return ""
