"""What people read while Pulumi's CLI and its plugins are found or installed, and why that failed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

SERVER_NOT_INSTALLED = (
    "Only the client is installed here. Install Eph with its extra: `pip install '.[server]'` in a clone of Eph."
)


# --- progress


def plugin(name: str, version: str) -> str:
    return f"plugin {name} {version}"


def downloading(title: str, archive: str) -> str:
    return f"{title}: downloading {archive}"


def building(title: str, duration: str) -> str:
    return f"{title}: building from its Go module; {duration} the first time on two cores"


CLI_BUILD, PLUGIN_BUILD = "5 to 10 minutes", "10 to 20 minutes"
HELM_BUILD, KUSTOMIZE_BUILD = "5 to 10 minutes", "1 to 2 minutes"
COMPOSE_BUILD, YAML_BUILD = "1 to 3 minutes", "2 to 5 minutes"
READING_MODULES = "reading modules"


def build_progress(title: str, seconds: float, steps: int, last: str) -> str:
    return f"{title}: {seconds:.0f} s, {steps} steps done, last: {last}"


def way_failed(title: str, way: str, reason: str) -> str:
    return f"{title}: {way} failed: {reason}"


def waiting_for_installer(version: str) -> str:
    return f"pulumi {version}: waiting for another process that installs it"


# --- why one way failed

NO_PULUMI = "no pulumi on PATH"
WAY_NOT_ALLOWED = "not allowed by EPH_TOOLCHAIN_WAYS"
NOT_TRIED = "not tried"
NO_SOURCES = "the Go module files are only in a checkout of Eph, but this is an installed package"
NO_GO = "Go isn't on PATH (1.26 or newer, or 1.21 or newer with toolchain downloads)"


def nothing_at(folder: Path) -> str:
    return f"nothing at {folder}"


def incompatible(binary: Path, version: str, reason: str) -> str:
    return f"{binary} is {version}: {reason}"


NOT_A_VERSION = "not a version"


def other_major_version(pinned: str) -> str:
    return f"another major version than the SDK's {pinned}"


def older_version(pinned: str) -> str:
    return f"older than the SDK's {pinned}"


def does_not_run(binary: Path, error: Exception) -> str:
    return f"{binary} doesn't run: {error}"


def checksum_unknown(archive: str) -> str:
    return (
        f"the checksum of {archive} isn't known; set EPH_TOOLCHAIN_CHECKSUMS to a file that contains it, "
        "such as the checksums.txt of its release, or EPH_TOOLCHAIN_UNVERIFIED=yes to accept any"
    )


def checksum_differs(archive: str, found: str, expected: str) -> str:
    return (
        f"{archive} has the SHA-256 {found}, but {expected} is expected; "
        "the download is incomplete, or someone changed the archive"
    )


def checksums_unreadable(file: str, reason: str | None) -> str:
    return f"EPH_TOOLCHAIN_CHECKSUMS: can't read {file}: {reason}"


def missing_from_archive(archive: str, program: str) -> str:
    return f"{archive} doesn't contain {program}"


def build_failed(output: str) -> str:
    return f"go build failed: {output}"


def cannot_start(program: str, reason: str | None) -> str:
    return f"can't start {program}: {reason}"


def not_finished(seconds: float) -> str:
    return f"not finished within {seconds:.0f} s"


def wrong_version_installed(found: str, expected: str) -> str:
    return f"it installed {found}, not {expected}"


# --- why nothing was found


def cache_not_writable(cache: Path, reason: str | None) -> str:
    return f"{cache}: {reason}; set EPH_CACHE to a writable folder"


def unknown_ways(unknown: str, known: str) -> str:
    return f"EPH_TOOLCHAIN_WAYS contains {unknown}; use any of: {known}"


def no_pulumi_found(version: str, failures: Mapping[str, str], ways: Sequence[str], folder: Path) -> str:
    return "\n".join(
        [
            f"No compatible Pulumi CLI was found ({version} or a newer {version.split('.')[0]}.x). Tried:",
            *(f"  {way}: {failures.get(way, NOT_TRIED)}" for way in ways),
            "Do one of the following:",
            "  - run `make toolchain` in a checkout of Eph, which downloads or builds one",
            f"  - install Pulumi {version} yourself and put it on PATH",
            f"  - put a pulumi {version} into {folder}",
        ]
    )


def plugin_not_installed(title: str, failures: Mapping[str, str], make_target: str, program: str) -> str:
    return "\n".join(
        [
            f"{title.capitalize()} isn't installed.",
            *(f"  {way}: {reason}" for way, reason in failures.items()),
            f"Run `make {make_target}` in a checkout of Eph, or put {program} on PATH.",
        ]
    )
