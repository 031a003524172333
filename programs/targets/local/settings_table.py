"""The table ``[local]`` of eph.toml."""

from __future__ import annotations

import os
import urllib.request
from dataclasses import replace
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr

from programs.settings import (
    TEMPLATES_DESCRIPTION,
    MachineTools,
    PreviewVariables,
    ServerContext,
    StringList,
    TargetSettings,
    TemplateDatabases,
    template_names,
)


class LocalTargetSettings(TargetSettings):
    """The target `local`: processes and databases on this machine."""

    root: Path | None = Field(
        default=None, description="The folder for checkouts, logs and data. Empty: local in home."
    )
    toolbox: StringList = Field(
        default=(), description="More folders that previews can read, such as a language's installation."
    )
    toolchains: Literal["auto", "none"] = Field(
        default="auto",
        description="Languages that aren't on the PATH of previews. auto: found on this machine. none: not available.",
    )
    path: str = Field(default="/usr/local/bin:/usr/bin:/bin", description="The PATH of previews.")
    sandbox: Literal["auto", "bubblewrap", "none"] = Field(
        default="auto",
        description="Sandbox mode. auto, bubblewrap: required. none: no sandbox.",
    )
    egress: Literal["proxy", "none"] = Field(
        default="proxy",
        description="Outbound internet. proxy: public addresses through an HTTP proxy. none: no outbound connections.",
    )
    egress_allow: StringList = Field(
        default=(), description="Private networks that the proxy connects to anyway, such as 10.1.0.0/16."
    )
    egress_proxy: SecretStr = Field(
        default=SecretStr(""),
        description="The HTTP proxy through which this server reaches the internet, used for previews, too. Empty: the "
        "variable HTTPS_PROXY.",
    )
    memory_bytes: int = Field(
        default=4096 * 1024**2, ge=1024**2, description="The maximum memory of an environment, in bytes."
    )
    server_memory_bytes: int = Field(
        default=256 * 1024**2,
        ge=16 * 1024**2,
        description="The maximum size of the data in each Redis of an environment, in bytes.",
    )
    disk_bytes: int = Field(
        default=20 * 1024**3, ge=1024**2, description="The maximum disk usage of an environment's files and databases."
    )
    process_limit: int = Field(default=2048, ge=16, description="The maximum number of an environment's processes.")
    cpu_limit: float = Field(default=0.0, ge=0.0, description="The maximum CPUs of an environment. 0: all of them.")
    first_uid: int = Field(
        default=2_100_000, ge=1000, description="If Eph runs as root: the first of the users of environments."
    )
    env: PreviewVariables = Field(
        default={},
        description="Variables for everything that runs in previews, such as PIP_INDEX_URL. Previews can read them.",
    )
    ca_file: Path | None = Field(
        default=None,
        description="A file of certificate authorities that previews trust. Empty: the variable SSL_CERT_FILE.",
    )
    postgres: SecretStr = Field(
        default=SecretStr(""),
        description="An administrator URL of the PostgreSQL server to use. Empty: Eph runs its own server.",
    )
    cache_bytes: int = Field(
        default=8192 * 1024**2,
        ge=0,
        description="The maximum size of all build caches, in bytes; the least recently used are removed. 0: none.",
    )
    cache_days: int = Field(
        default=14, ge=1, description="When to remove the build cache of a repository without environments."
    )
    templates: TemplateDatabases = Field(default=(), description=TEMPLATES_DESCRIPTION)
    checkout_bytes: int = Field(
        default=512 * 1024**2, ge=1024, description="The maximum total size of a commit's files, in bytes."
    )

    def to_mapping(self, server: ServerContext) -> dict[str, str]:
        tools = server.tools
        return {
            "root": str(self._folder(server)),
            "routes": str(server.routes),
            "url": server.url_template,
            **replace(
                self.machine_tools(),
                build_limit=tools.build_limit,
                build_slots=tools.build_slots,
                build_spare=tools.build_spare,
            ).to_mapping(),
            "sandbox": self.sandbox,
            "egress": self.egress,
            "egress_allow": ",".join(self.egress_allow),
            "egress_proxy": self._proxy(),
            "first_uid": str(self.first_uid),
            "memory_bytes": str(self.memory_bytes),
            "server_memory_bytes": str(self.server_memory_bytes),
            "disk_bytes": str(self.disk_bytes),
            "process_limit": str(self.process_limit),
            "cpu_limit": str(self.cpu_limit),
            "postgres": self.postgres.get_secret_value(),
            "checkout_bytes": str(self.checkout_bytes),
            "templates": ",".join(self.templates),
        }

    def may_have_environments(self, server: ServerContext) -> bool:
        return self._folder(server).exists()

    def template_names(self) -> frozenset[str]:
        return template_names(self.templates)

    def wakes_on_request(self) -> bool:
        return True

    def machine_folder(self, server: ServerContext) -> Path | None:
        return self._folder(server)

    def machine_tools(self) -> MachineTools:
        ca_file = str(self.ca_file or _own_ca_file())
        return MachineTools(
            self.toolbox,
            self.path,
            self.env,
            ca_file,
            self.cache_bytes,
            self.cache_days,
            toolchains=self.toolchains,
            proxy=self._proxy(),
        )

    def _proxy(self) -> str:
        return self.egress_proxy.get_secret_value() or _own_proxy()

    def _folder(self, server: ServerContext) -> Path:
        return self.root.expanduser().absolute() if self.root else server.shared_folder


def _own_ca_file() -> str:
    path = os.environ.get("SSL_CERT_FILE", "")
    return path if path and os.access(path, os.R_OK) else ""


def _own_proxy() -> str:
    found = urllib.request.getproxies_environment().get("https", "")
    return found if "://" in found or not found else f"http://{found}"
