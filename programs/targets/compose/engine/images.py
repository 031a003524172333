"""The images of an environment: built from the commit, or pulled and pinned.

An image that ephd resolved (``environment.images`` of eph.yaml) is pinned already. Any other is pinned when the
environment first uses it, so a tag that moves doesn't restart a database between two pushes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from programs import image_references
from programs.image_references import InvalidReference
from programs.kit import files
from programs.kit.errors import TargetError
from programs.targets.compose import labels, resource_limits, wording
from programs.targets.compose.engine import clients
from programs.targets.compose.engine.clients import ClientFailed, ClientRun
from programs.targets.compose.engine.engine_client import Data, EngineClient, NotOnEngine
from programs.targets.compose.files import rendering, repository_files
from programs.targets.compose.files.rendering import ServiceImage
from programs.targets.compose.settings import ComposeHost

PULL_SECONDS = 900.0
CPU_PERIOD = 100_000
_NOISE = re.compile(
    r"\s*(DEPRECATED: The legacy builder|Install the buildx|environment-variable|https://docs\.docker\.com/)"
)


@dataclass(frozen=True, slots=True)
class ImageInput:
    """``found``: the images of eph.yaml, pinned, by name; ``replaced``: the repository that the compose file uses in
    their place. ``variables``: for build arguments without a value."""

    name: str
    generation: str
    checkout: Path
    found: Mapping[str, str] = field(default_factory=dict)
    replaced: Mapping[str, str] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)
    secret_values: tuple[str, ...] = ()


def resolve(
    host: ComposeHost, client: EngineClient, project: Mapping[str, Any], given: ImageInput
) -> dict[str, ServiceImage]:
    """By service. Builds run one after the other, because each may use what the server grants to one. Other services
    can use the image that one builds, by the name that it gives to it."""
    services = project["services"]
    shared = {item["image"]: name for name, item in services.items() if item.get("build") and item.get("image")}
    pinned = _pulled(host, client, project, given, built=frozenset(shared))
    built = {name: _build(host, client, given, name, item) for name, item in services.items() if item.get("build")}
    found = {}
    for name, service in services.items():
        maker = name if name in built else shared.get(service["image"], "")
        reference = built.get(maker) or pinned[service["image"]]
        config = client.image(reference).get("Config") or {}
        user = str(service.get("user") or config.get("User") or "")
        found[name] = ServiceImage(reference, tuple(sorted(config.get("Volumes") or ())), user)
    return found


def _pulled(
    host: ComposeHost, client: EngineClient, project: Mapping[str, Any], given: ImageInput, *, built: frozenset[str]
) -> dict[str, str]:
    """The pinned reference of each image that isn't among ``built``."""
    named = {item["image"] for item in project["services"].values() if not item.get("build")} - built
    place = host.env(given.name) / "images.json"
    known: dict[str, str] = json.loads(place.read_text()) if place.exists() else {}
    pins = {text: _from_eph_yaml(text, given) or known.get(text, "") for text in named}
    for text in sorted(named):
        _check_allowed(host, pins[text] or text)
    missing = {text: pins[text] or text for text in named if _inspect(client, pins[text] or text) is None}
    if missing:
        _pull(host, given, sorted(missing.values()))
    pins = {text: reference or _pin(client, text) for text, reference in pins.items()}
    files.write(place, json.dumps(pins, sort_keys=True))
    return pins


def _from_eph_yaml(text: str, given: ImageInput) -> str:
    name = _parse(text).canonical_name
    for key, reference in given.found.items():
        replaced = given.replaced.get(key) or reference
        if name in (_parse(reference).canonical_name, _parse(replaced).canonical_name):
            return reference
    return ""


def _parse(text: str) -> image_references.ImageReference:
    try:
        return image_references.parse(text)
    except InvalidReference as error:
        raise TargetError(str(error)) from error


def _check_allowed(host: ComposeHost, text: str) -> None:
    if text.startswith("sha256:"):
        return  # pinned before, when its name was allowed
    if not image_references.is_allowed(host.registries, _parse(text)):
        raise TargetError(wording.image_not_allowed(text, host.registries))


def _inspect(client: EngineClient, reference: str) -> Data | None:
    try:
        return client.image(reference)
    except NotOnEngine:
        return None


def _pin(client: EngineClient, text: str) -> str:
    """Its digest in the registry that it was pulled from. An image that never was in one has only an ID."""
    found = client.image(text)
    wanted = _parse(text).canonical_name
    for digest in found.get("RepoDigests") or ():
        if _parse(digest).canonical_name == wanted:
            return str(digest)
    return str(found["Id"])


def _pull(host: ComposeHost, given: ImageInput, references: list[str]) -> None:
    project = {"services": {f"image-{number}": {"image": text} for number, text in enumerate(references)}}
    path = host.env(given.name) / "pull.json"
    files.write(path, json.dumps(project))
    argv = [*clients.compose_argv(host, given.name, path), "pull", "--policy", "missing"]
    try:
        clients.run(host, ClientRun(wording.pulling(references), argv, PULL_SECONDS))
    finally:
        path.unlink(missing_ok=True)


def _build(host: ComposeHost, client: EngineClient, given: ImageInput, name: str, service: Mapping[str, Any]) -> str:
    """The ID of the image. An unchanged folder gives the same ID, so its container stays."""
    if not host.builds:
        raise TargetError(wording.builds_not_allowed(name))
    image = labels.image_name(given.name, name, given.generation)
    found = _inspect(client, image)
    if found is None:
        run = ClientRun(
            wording.building(name),
            _build_argv(host, given, image, service["build"]),
            host.build_seconds,
            given.secret_values,
            rendering.unescape(service["build"].get("dockerfile_inline") or "").encode(),
        )
        try:
            clients.run(host, run)
        except ClientFailed as error:
            raise _without_noise(error) from error
        found = client.image(image)
    return str(found["Id"])


def _without_noise(error: ClientFailed) -> ClientFailed:
    """Without the client's advertisement of its other builder."""
    tail = [line for line in error.tail if not _NOISE.match(line)]
    return ClientFailed(error.sentence, tail)


def _build_argv(host: ComposeHost, given: ImageInput, image: str, build: Mapping[str, Any]) -> list[str]:
    context = repository_files.locate(given.checkout, build["context"])
    if not context.is_dir():
        raise TargetError(wording.context_not_a_folder(build["context"]))
    memory = str(resource_limits.parse_memory(host.build_memory))
    quota = int(resource_limits.parse_cpu(host.build_cpu) * CPU_PERIOD)
    words = [clients.find_docker(host), "build", "--tag", image, "--force-rm", "--network", host.build_network]
    words += ["--memory", memory, "--memory-swap", memory, "--cpu-period", str(CPU_PERIOD), "--cpu-quota", str(quota)]
    for key, value in labels.labels(host, given.name).items():
        words += ["--label", f"{key}={value}"]
    for key, value in (build.get("args") or {}).items():
        text = given.variables.get(key) if value is None else rendering.unescape(str(value))
        words += ["--build-arg", f"{key}={text}"] if text is not None else []
    if build.get("target"):
        words += ["--target", str(build["target"])]
    if build.get("dockerfile_inline"):
        words += ["--file", "-"]
    else:
        dockerfile = Path(build.get("dockerfile") or "Dockerfile")
        words += ["--file", str(repository_files.locate(given.checkout, f"{build['context']}/{dockerfile}"))]
    return [*words, str(context)]
