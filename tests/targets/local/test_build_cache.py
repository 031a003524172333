"""Build caches are shared within a repository, and nothing else is (T1, S3): real tar in real sandboxes."""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from programs import steps
from programs.kit import build_memory, machine_memory
from programs.kit.build_cache import archives, builds
from programs.kit.build_cache.builds import BuildSource
from programs.kit.errors import TargetError
from programs.kit.processes import command_runner, sandbox
from programs.kit.processes.command_runner import CommandRun
from programs.spec import CommandSpec
from programs.steps import StepEvent, StepEventKind, StepName
from programs.targets.local import cleanup
from programs.targets.local.settings import LocalSettings
from programs.targets.local.v1 import base
from tests.targets.isolated_machine import BLOG, GENERATION, SHOP, Isolated
from tests.targets.local_machine import APP, LocalMachine, Repository

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(not sandbox.works(), reason="bubblewrap can't create its namespaces here"),
]
SHOP_REPOSITORY = BuildSource("42")
FORK = BuildSource("42", from_fork=True)
LABEL_DEPLOY = BuildSource("42", read_only=True)
WRITE = 'mkdir -p "$PIP_CACHE_DIR" && echo wheel >"$PIP_CACHE_DIR/wheel"'
READ = 'cat "$PIP_CACHE_DIR/wheel"'
IS_EMPTY = '[ -z "$(ls "$XDG_CACHE_HOME")" ]'
HOSTILE = """
import os
top = os.environ["PIP_CACHE_DIR"]
os.makedirs(top + "/closed")
os.symlink("/etc/shadow", top + "/shadow")
os.symlink({target!r}, top + "/outside")
os.symlink("..", top + "/up")
os.mkfifo(top + "/pipe")
os.chmod(top + "/closed", 0)
open(top + "/-rf", "w").close()
open(os.path.join(top.encode(), b"\\xff\\n"), "w").close()
os.chdir(top)
for _ in range(600):
    os.mkdir("deep")
    os.chdir("deep")
"""


@pytest.fixture(autouse=True)
def _no_archives(shared_machine: LocalMachine) -> Iterator[None]:
    yield
    for archive in archives.list_archives(shared_machine.settings):
        archives.remove(shared_machine.settings, archive.repository)


@pytest.fixture
def events() -> Iterator[list[StepEvent]]:
    seen: list[StepEvent] = []
    steps.listen(seen.append)
    yield seen
    steps.listen(lambda _: None)


def build(
    isolated: Isolated,
    name: str,
    command: str,
    source: BuildSource = SHOP_REPOSITORY,
    settings: LocalSettings | None = None,
) -> str:
    run = CommandRun("build", "build", command, 60, {})
    builds.run(settings or isolated.here, name, isolated.workspace(name), run, source)
    return (isolated.here.env(name) / "logs" / "build.log").read_text()


def archive_of(isolated: Isolated) -> Path:
    return archives.path(isolated.here, SHOP_REPOSITORY.repository)


def shown(events: list[StepEvent]) -> list[str]:
    found = [event.step for event in events if event.kind is StepEventKind.STARTED]
    return [step for step in found if step != StepName.CHECKOUT]


@pytest.mark.long
def test_another_environment_starts_with_the_cache(isolated: Isolated, events: list[StepEvent]) -> None:
    """T1"""
    build(isolated, SHOP, WRITE)
    assert shown(events) == ["Build", "Save cache"]
    # The files belong to the other environment's user: it can change them.
    text = build(isolated, BLOG, f'{READ} && echo more >>"$PIP_CACHE_DIR/wheel" && touch "$PIP_CACHE_DIR/new"')
    assert text == "wheel\n"
    assert shown(events)[2:] == ["Restore cache", "Build", "Save cache"]


NPM_REGISTRY = """
import base64, hashlib, http.server, io, json, tarfile
data = io.BytesIO()
with tarfile.open(fileobj=data, mode="w:gz") as archive:
    text = b'{"name": "tea", "version": "1.0.0"}'
    entry = tarfile.TarInfo("package/package.json")
    entry.size = len(text)
    archive.addfile(entry, io.BytesIO(text))
tarball = data.getvalue()
digest = "sha512-" + base64.b64encode(hashlib.sha512(tarball).digest()).decode()
dist = {"tarball": "http://127.0.0.1:4873/tea/-/tea-1.0.0.tgz", "integrity": digest}
versions = {"1.0.0": {"name": "tea", "version": "1.0.0", "dist": dist}}
package = {"name": "tea", "dist-tags": {"latest": "1.0.0"}, "versions": versions}

class Registry(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(tarball if self.path.endswith(".tgz") else json.dumps(package).encode())

http.server.HTTPServer(("127.0.0.1", 4873), Registry).serve_forever()
"""


@pytest.mark.long
@pytest.mark.skipif(shutil.which("npm") is None, reason="needs Node.js")
def test_npm_installs_from_the_cache_without_a_registry(isolated: Isolated) -> None:
    """T1, issue 14 item 8: the second environment's build makes no request, with the real npm."""
    serve = f"python3 - <<'END' &\n{NPM_REGISTRY}\nEND\n"
    install = "npm install --registry http://127.0.0.1:4873 --fetch-retry-mintimeout 100 --no-audit tea@1.0.0"
    build(isolated, SHOP, f"{serve}{install}; done=$?; kill $!; exit $done")
    for name in ("package.json", "package-lock.json"):
        locked = (isolated.workspace(SHOP).checkout / name).read_text()
        (isolated.workspace(BLOG).checkout / name).write_text(locked)
    offline = "npm ci --offline --no-audit && cat node_modules/tea/package.json"
    assert '"version": "1.0.0"' in build(isolated, BLOG, offline)
    with pytest.raises(TargetError):
        build(isolated, BLOG, offline, BuildSource("43"))


UNTIL_MEASURED = """python3 - <<'END'
import os, time
block = bytearray(150_000_000)
while not os.path.exists(os.environ["HOME"] + "/measured"):
    time.sleep(0.05)
END
"""


@pytest.mark.long
def test_memory_of_a_build_is_the_estimate_for_the_next(isolated: Isolated) -> None:
    """T1: measured in the sandbox, as the processes of all its namespaces. A fork's build doesn't count."""
    others = machine_memory.used_by_descendants(os.getpid())  # servers that tests of this process share
    for name, source in ((BLOG, BuildSource("77", from_fork=True)), (SHOP, BuildSource("77"))):
        isolated.workspace(name)
        assert build_memory.estimate(isolated.here, "77") == build_memory.DEFAULT
        for slot in (isolated.here.root / "build-slots").glob("slot-*"):
            slot.unlink()
        watch = threading.Thread(target=_end_when_measured, args=(isolated, name))
        watch.start()
        build(isolated, name, UNTIL_MEASURED, source)
        watch.join()
    assert 140_000_000 < build_memory.estimate(isolated.here, "77") - others < build_memory.DEFAULT


def _end_when_measured(isolated: Isolated, name: str) -> None:
    """The file of the build's slot says what it uses."""
    slots, end = isolated.here.root / "build-slots", time.monotonic() + 60
    while time.monotonic() < end:
        used = [int((slot.read_text().split() or ["0"])[-1]) for slot in slots.glob("slot-*")]
        if max(used, default=0) > 150_000_000:
            break
        time.sleep(0.05)
    (isolated.here.env(name) / "home" / "measured").touch()


@pytest.mark.long
def test_build_that_changes_nothing_keeps_the_archive(isolated: Isolated, events: list[StepEvent]) -> None:
    build(isolated, SHOP, WRITE)
    saved = archive_of(isolated).stat().st_ino
    os.utime(archive_of(isolated), (1, 1))
    build(isolated, SHOP, READ)
    assert archive_of(isolated).stat().st_ino == saved
    assert archive_of(isolated).stat().st_mtime > time.time() - 60
    assert shown(events) == ["Build", "Save cache", "Restore cache", "Build"]


@pytest.mark.long
def test_failed_build_saves_nothing_but_its_retry_continues(isolated: Isolated) -> None:
    with pytest.raises(TargetError, match="exit status 3"):
        build(isolated, SHOP, f"{WRITE} && exit 3")
    assert not archive_of(isolated).exists()
    assert build(isolated, SHOP, READ) == "wheel\n"
    assert archive_of(isolated).exists()


@pytest.mark.long
def test_service_cannot_change_what_the_next_build_starts_with(isolated: Isolated) -> None:
    """S3: people from outside reach services, and one that they take over must not poison later builds."""
    build(isolated, SHOP, WRITE)
    place = base.joined(isolated.here, {"environment": SHOP, "generation": GENERATION})
    poison = CommandRun("poison", "poison", 'echo poison >"$PIP_CACHE_DIR/wheel"', 20, {})
    command_runner.run(isolated.here, SHOP, place, poison)
    assert build(isolated, SHOP, f'{READ} && touch "$PIP_CACHE_DIR/new"') == "wheel\n"
    assert build(isolated, BLOG, READ) == "wheel\n"


@pytest.mark.long
@pytest.mark.parametrize("reader", [FORK, LABEL_DEPLOY], ids=["fork", "label deploy"])
def test_forks_and_label_deploys_read_the_cache_and_cannot_change_it(isolated: Isolated, reader: BuildSource) -> None:
    """S3 T1 M4: they can't poison what others build from, the active version included."""
    build(isolated, BLOG, WRITE, reader)
    assert archives.list_archives(isolated.here) == []
    cleanup.purge(isolated.here, BLOG)
    build(isolated, SHOP, WRITE)
    before = archive_of(isolated).read_bytes()
    assert build(isolated, BLOG, f'{READ} && echo poison >"$PIP_CACHE_DIR/new"', reader) == "wheel\n"
    assert archive_of(isolated).read_bytes() == before
    assert build(isolated, SHOP, READ) == "wheel\n"


@pytest.mark.long
def test_another_repository_sees_nothing_of_it(isolated: Isolated) -> None:
    """S3: not even in an environment whose name was another repository's before."""
    build(isolated, SHOP, WRITE)
    build(isolated, SHOP, IS_EMPTY, BuildSource("43"))


@pytest.mark.long
def test_hostile_cache_reaches_nothing_outside_and_can_be_removed(isolated: Isolated) -> None:
    """S3: links, pipes, closed and deep folders are archived as what they are, by a user without rights."""
    secret = isolated.here.root / "secret"
    secret.write_text("of the server")
    code = HOSTILE.format(target=str(secret))
    build(isolated, SHOP, f"{WRITE} && python3 - <<'END'\n{code}\nEND")
    content = archive_of(isolated).read_bytes()
    assert b"of the server" not in content
    assert b"root:" not in content
    # It is unpacked where the next build can read it, and links lead nowhere.
    assert (
        build(isolated, BLOG, f'{READ}; ! cat "$PIP_CACHE_DIR/outside" "$PIP_CACHE_DIR/shadow" 2>&1').count("\n") == 3
    )
    assert secret.read_text() == "of the server"
    assert archives.remove(isolated.here, SHOP_REPOSITORY.repository)


@pytest.mark.long
def test_cache_replaced_by_a_link_is_not_followed(isolated: Isolated) -> None:
    """S3: a build owns its cache, so it may leave anything under the names that are archived."""
    build(isolated, SHOP, 'rm -rf "$PIP_CACHE_DIR"; ln -s /etc "$PIP_CACHE_DIR"; mkdir -p "$GOCACHE"')
    assert b"root:x:0:0" not in archive_of(isolated).read_bytes()
    build(isolated, BLOG, '[ -L "$PIP_CACHE_DIR" ] && ! touch "$PIP_CACHE_DIR/passwd"')


def test_credentials_and_logs_are_not_archived(isolated: Isolated) -> None:
    """S4"""
    files = 'mkdir -p "$CARGO_HOME/registry" "$npm_config_cache/_logs"'
    build(isolated, SHOP, f'{files} && echo t0ken >"$CARGO_HOME/credentials.toml" && touch "$CARGO_HOME/registry/x"')
    content = archive_of(isolated).read_bytes()
    assert b"cargo/registry/x" in content
    assert b"t0ken" not in content
    assert b"_logs" not in content


@pytest.mark.long
def test_cache_over_the_limit_is_not_kept(isolated: Isolated, events: list[StepEvent]) -> None:
    """S3: nothing grows without bound."""
    small = replace(isolated.here, cache_bytes=200_000)
    build(isolated, SHOP, WRITE, settings=small)
    assert archive_of(isolated).exists()
    build(isolated, SHOP, 'head -c 300000 /dev/zero >"$PIP_CACHE_DIR/big"', settings=small)
    assert not archive_of(isolated).exists()
    assert any("cache_bytes" in line for event in events for line in event.lines)


@pytest.mark.long
def test_caches_can_be_disabled(isolated: Isolated) -> None:
    none = replace(isolated.here, cache_bytes=0)
    build(isolated, SHOP, '[ -z "$PIP_CACHE_DIR" ]', settings=none)
    assert archives.list_archives(isolated.here) == []


@pytest.mark.long
@pytest.mark.parametrize("reader", [FORK, LABEL_DEPLOY], ids=["fork", "label deploy"])
def test_damaged_archive_does_not_fail_the_build(
    isolated: Isolated, events: list[StepEvent], reader: BuildSource
) -> None:
    archive_of(isolated).parent.mkdir(exist_ok=True)
    archive_of(isolated).write_bytes(b"not an archive" * 1000)
    build(isolated, BLOG, IS_EMPTY, reader)
    assert archive_of(isolated).exists()
    build(isolated, SHOP, IS_EMPTY)
    assert not archive_of(isolated).exists()
    assert shown(events) == ["Restore cache", "Build", "Restore cache", "Build"]


@pytest.mark.long
def test_interrupted_restore_starts_over(isolated: Isolated) -> None:
    """L2: half an archive would look like a whole one to Go."""
    build(isolated, SHOP, WRITE)
    isolated.workspace(BLOG)
    half = archives.environment_folder(isolated.here, BLOG) / GENERATION
    half.mkdir(parents=True)
    (half / "half").touch()
    build(isolated, BLOG, f'{READ} && [ ! -e "$XDG_CACHE_HOME/half" ]')


def test_builds_yield_to_services_which_find_the_cache_of_the_build(isolated: Isolated) -> None:
    """T1: Yarn's Plug'n'Play and ``go run`` read their cache at run time."""
    props = {"environment": SHOP, "generation": GENERATION}
    assert base.place(isolated.here, props).cache is None
    own = os.getpriority(os.PRIO_PROCESS, 0)
    assert build(isolated, SHOP, "exec nice") == f"{min(19, own + sandbox.BUILD_NICENESS)}\n"
    assert base.place(isolated.here, props).cache == archives.environment_folder(isolated.here, SHOP) / GENERATION
    cleanup.remove_other_generations(isolated.here, SHOP, "another")
    assert base.place(isolated.here, props).cache is None


@pytest.mark.long
@pytest.mark.exhaustive
def test_commits_of_an_environment_share_the_cache(pulumi: LocalMachine, repository: Repository) -> None:
    """T1: as the program of the target passes it on, with the real Pulumi."""
    build_once = CommandSpec(f"{READ} >version.txt || {{ {WRITE}; echo first >version.txt; }}")
    commit = repository.push({"app.py": APP, "version.txt": "one"})
    own = replace(pulumi.spec(repository, commit, build=build_once), repository="42")
    pulumi.up(own)
    assert pulumi.get() == "first"
    pulumi.up(replace(own, source=replace(own.source, commit=repository.push({"README": "two"}))))
    assert pulumi.get() == "wheel"
    # The cache of the first commit is gone with its checkout.
    assert len(list(archives.environment_folder(pulumi.settings, own.name).iterdir())) == 1
    poison = CommandSpec(f'{READ} >version.txt; echo poison >"$PIP_CACHE_DIR/new"')
    for reader in (replace(own, from_fork=True), replace(own, read_only_cache=True)):
        source = replace(own.source, commit=repository.push({"README": str(reader)}))
        pulumi.up(replace(reader, source=source, build=poison))
        assert pulumi.get() == "wheel"
    assert b"poison" not in archives.path(pulumi.settings, "42").read_bytes()
    pulumi.destroy()
    assert pulumi.remaining() == []
