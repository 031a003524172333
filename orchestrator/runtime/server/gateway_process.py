"""Keeps the gateway running: a separate process that outlives a killed ephd and is found again by its identity.

Previews must respond while ephd restarts, so the gateway isn't a child process that dies with it. Its record contains
its identity. The next ephd adopts it if it is alive and responds, and starts a new one otherwise. All its input is in
files. A gateway whose record was lost is found by a mark in its environment; no other process is ever killed.
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
import logging
import os
import signal
import ssl
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any, NoReturn

import httpx

from orchestrator.auth import preview_grants, preview_tokens
from orchestrator.config import file_names
from orchestrator.config.settings.groups import TlsSettings
from orchestrator.config.settings.server_settings import ServerSettings
from orchestrator.runtime import wording
from orchestrator.runtime.server.addresses import StartupError, check_free
from programs.kit import files
from stacks import process_identity
from stacks.process_identity import ProcessIdentity

log = logging.getLogger("eph.door")

OWNER_VARIABLE = "EPH_GATEWAY_OF"
"""The gateway serves it at the domain itself. It is registered at providers, so it never changes."""
_HEALTH_PATH = "/_eph/healthz"
_TLS_CONTEXT = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""Loopback uses plain HTTP; creating a TLS context for each request would block the loop for 30 ms each time."""
START_TIMEOUT = 15.0
RESPONSE_TIMEOUT = 10.0
STOP_TIMEOUT = 5.0
EXTERNAL_TIMEOUT = 60.0


@dataclass(frozen=True, slots=True)
class GatewaySpec:
    """``listen`` and ``api_address`` are host:port; ``directory`` holds routes/ and states.json."""

    listen: str
    api_address: str
    directory: Path
    domain: str
    tokens_file: Path | None = None
    sign_in: str = "off"
    trusted_proxies: tuple[str, ...] = ()
    people_url: str = ""
    people_key: Path | None = None
    oauth_providers: Mapping[str, str] = field(default_factory=dict)
    url_template: str = ""
    tls: TlsSettings = field(default_factory=TlsSettings)
    api_ca_file: Path | None = None
    """The certificate authority of the leader's API. None: those that this machine trusts."""
    api_url_changes: bool = False
    """A file contains the API's URL: the leader's, if several ephd processes share the gateway; or that of an address
    without TLS, which an API with TLS has for this machine and which is another one after each start."""

    @staticmethod
    def from_settings(settings: ServerSettings) -> GatewaySpec:
        return GatewaySpec(
            settings.gateway_listen,
            settings.listen,
            settings.gateway_dir,
            settings.domain,
            tokens_file=preview_tokens.preview_tokens_file(settings.keys_dir),
            sign_in=settings.previews.sign_in,
            trusted_proxies=settings.previews.proxies,
            people_url=settings.auth.url if settings.auth.provider != "none" else "",
            people_key=preview_grants.preview_key_file(settings.keys_dir),
            oauth_providers=settings.oauth.providers,
            url_template=settings.url_template,
            tls=settings.tls,
            api_ca_file=settings.replicas.ca_file,
            api_url_changes=settings.api_has_tls or settings.replicas.lease != "none",
        )

    @property
    def command(self) -> list[str]:
        return [
            *(sys.executable, "-m", "orchestrator.gateway"),
            *("--listen", self.listen),
            *("--directory", str(self.directory)),
            *("--domain", self.domain),
            *(
                ("--control-file", str(self.control_file))
                if self.api_url_changes
                else ("--control", f"http://{self.api_address}")
            ),
            *(("--control-ca", str(self.api_ca_file)) if self.api_ca_file else ()),
            *(("--tokens", str(self.tokens_file)) if self.tokens_file else ()),
            *("--sign-in", self.sign_in),
            *(("--people-url", self.people_url) if self.people_url else ()),
            *(("--people-key", str(self.people_key)) if self.people_key else ()),
            *(word for network in self.trusted_proxies for word in ("--trusted-proxy", network)),
            *self._oauth_words(),
            *self._tls_words(),
        ]

    def _oauth_words(self) -> list[str]:
        if not self.oauth_providers:
            return []
        callback = self.url_template.format(host=self.domain) + preview_grants.OAUTH_CALLBACK_PATH
        words = ["--preview-url", self.url_template, "--oauth-callback", callback]
        return words + [
            word for name, url in sorted(self.oauth_providers.items()) for word in ("--oauth-provider", f"{name}={url}")
        ]

    def _tls_words(self) -> tuple[str, ...]:
        if not self.tls.is_enabled:
            return ()
        files = (str(self.tls.certificate_file), str(self.tls.key_file))
        return ("--tls-listen", self.tls.listen, "--tls-certificate", files[0], "--tls-key", files[1])

    @property
    def control_file(self) -> Path:
        return self.directory / "control"


class GatewayError(StartupError):
    """The gateway doesn't start; the message says why, as far as its log does."""


class GatewayProcess:
    def __init__(self, spec: GatewaySpec) -> None:
        self._spec = spec
        self._record = spec.directory / file_names.GATEWAY_PROCESS
        self._log = spec.directory / file_names.GATEWAY_LOG
        self._process: subprocess.Popen[bytes] | None = None

    async def ensure(self) -> None:
        """Adopt the gateway of an earlier process or start one, and wait until it responds."""
        known = await asyncio.to_thread(self._recorded_identity)
        if known is not None and await self._wait_healthy(lambda: process_identity.is_alive(known), RESPONSE_TIMEOUT):
            return
        started = await asyncio.to_thread(self._replace)
        if await self._wait_healthy(lambda: started.poll() is None, START_TIMEOUT):
            return
        ended = started.poll() is not None
        await asyncio.to_thread(self.stop)
        waited = None if ended else START_TIMEOUT
        raise GatewayError(wording.startup.gateway_not_started(waited, self._last_log_line()))

    def stop(self) -> None:
        """Stop it and wait, when ephd is asked to stop or a demo ends."""
        for identity in self._find_all():
            self._terminate(identity)
        self._record.unlink(missing_ok=True)

    async def keep_running(self, interval: float) -> None:
        """Supervise it until cancelled."""
        while True:
            await asyncio.sleep(interval)
            try:
                await self.ensure()
            except Exception:  # it is tried again, for as long as ephd lives
                log.exception("the gateway is not up")

    def write_api_url(self, url: str) -> None:
        """Tell a gateway that reads the API's URL from its file."""
        self._spec.directory.mkdir(parents=True, exist_ok=True)
        files.write(self._spec.control_file, url, mode=0o644)

    def _replace(self) -> subprocess.Popen[bytes]:
        self.stop()
        check_free("gateway_listen", self._spec.listen)
        return self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        self._spec.directory.mkdir(parents=True, exist_ok=True)
        with self._log.open("ab") as log_file:
            started = subprocess.Popen(
                self._spec.command,
                stdin=subprocess.DEVNULL,
                stdout=log_file,
                stderr=log_file,
                start_new_session=True,
                env={**os.environ, OWNER_VARIABLE: str(self._spec.directory)},
            )
        if self._process is not None:
            self._process.poll()
        self._process = started
        identity = process_identity.identify(started.pid)
        if identity is not None:
            entry = {"identity": dataclasses.asdict(identity), "command": self._spec.command}
            files.write(self._record, json.dumps(entry))
        return started

    def _recorded_identity(self) -> ProcessIdentity | None:
        """The recorded gateway, if it is alive and has the current settings."""
        entry = self._read_record()
        identity = _identity_from(entry)
        if identity is None or entry.get("command") != self._spec.command or not process_identity.is_alive(identity):
            return None
        return identity

    def _find_all(self) -> list[ProcessIdentity]:
        """Every live gateway of this directory: the recorded one, and any whose record was lost."""
        recorded = _identity_from(self._read_record())
        found = {recorded} if recorded is not None and process_identity.is_alive(recorded) else set()
        marked = process_identity.pids_with_variable(OWNER_VARIABLE, str(self._spec.directory))
        return [*found.union(identity for pid in marked if (identity := process_identity.identify(pid)) is not None)]

    def _read_record(self) -> dict[str, Any]:
        try:
            entry = json.loads(self._record.read_text())
        except (OSError, ValueError):
            return {}
        return entry if isinstance(entry, dict) else {}

    def _terminate(self, identity: ProcessIdentity) -> None:
        process_identity.send_signal(identity.pid, signal.SIGTERM)
        if not process_identity.wait_until_gone(identity, STOP_TIMEOUT):
            process_identity.send_signal(identity.pid, signal.SIGKILL)
            process_identity.wait_until_gone(identity, STOP_TIMEOUT)
        if self._process is not None and self._process.pid == identity.pid:
            self._process.wait()

    async def _wait_healthy(self, is_alive: Callable[[], bool], seconds: float) -> bool:
        """Whether it responds before the timeout, which is long enough for a busy gateway."""
        end = monotonic() + seconds
        while is_alive() and monotonic() < end:
            if await self._is_healthy():
                return True
            await asyncio.sleep(0.05)
        return False

    async def _is_healthy(self) -> bool:
        async with httpx.AsyncClient(timeout=2.0, trust_env=False, verify=_TLS_CONTEXT) as client:
            try:
                return (await client.get(f"http://{self._spec.listen}{_HEALTH_PATH}")).status_code == 200
            except httpx.HTTPError:
                return False

    def _last_log_line(self) -> str:
        lines = self._log.read_text(errors="replace").strip().splitlines() if self._log.exists() else []
        return lines[-1] if lines else wording.startup.empty_log(self._log)


class ExternalGateway(GatewayProcess):
    """An externally supervised gateway, for example in a container: only awaited, never started or stopped."""

    def __init__(self, spec: GatewaySpec, timeout: float = EXTERNAL_TIMEOUT) -> None:
        super().__init__(spec)
        self._timeout = timeout

    async def ensure(self) -> None:
        if not await self._wait_healthy(lambda: True, self._timeout):
            raise GatewayError(wording.startup.no_gateway(self._spec.listen))

    def stop(self) -> None:
        """Does nothing: its supervisor stops it."""


def open_gateway(settings: ServerSettings) -> GatewayProcess:
    kind = GatewayProcess if settings.gateway == "own" else ExternalGateway
    return kind(GatewaySpec.from_settings(settings))


def become_gateway(settings: ServerSettings) -> NoReturn:
    """Replaces this process, so that its supervisor sees the gateway end."""
    command = GatewaySpec.from_settings(settings).command
    settings.routes_dir.mkdir(parents=True, exist_ok=True)
    os.execv(command[0], command)  # noqa: S606 - our own command, no shell


def _identity_from(entry: dict[str, Any]) -> ProcessIdentity | None:
    try:
        return ProcessIdentity(**entry["identity"])
    except (TypeError, KeyError):
        return None
