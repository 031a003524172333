"""Replaces the keys of a stopped server that nothing else depends on.

The key of environments' variables: the new one is added to the file of keys first, then each stack's variables are
encrypted with it, and only then the old one is removed. Killed in between, ephd reads both; repeating it completes it.
The tokens of this machine and of previews, and the key that previews' sign-in cookies are signed with, are replaced one
by one. The key that names are derived from, and the passphrase of the stacks, stay.
"""

from __future__ import annotations

from dataclasses import dataclass

from orchestrator.auth import local_token, preview_grants, preview_tokens
from orchestrator.config import server_keys, variable_keys
from orchestrator.config.settings.server_settings import ServerSettings
from orchestrator.config.variable_vault import VariableVault
from orchestrator.runtime.server import home_lock, shared_folder
from stacks.backends import registry as backends
from stacks.backends.port import Backend
from stacks.model import StackRef


@dataclass(frozen=True, slots=True)
class RotatedKeys:
    """``unreadable``: stacks whose variables no key of this server could read before either. ``problems``: what the
    backend couldn't read; the old key is kept until a rotation without any."""

    encrypted: int
    unreadable: tuple[StackRef, ...]
    problems: tuple[str, ...] = ()


def rotate_keys(settings: ServerSettings) -> RotatedKeys:
    """Raises StartupError if ephd is running, InvalidKey, or OSError if a file or the backend fails."""
    with home_lock.lock_home(settings.home), shared_folder.lock_alone(settings):
        found = _rotate_variables(settings, backends.open_backend(settings.stacks_url))
        preview_tokens.rotate(settings.keys_dir)
        local_token.revoke(settings.shared_dir)
        preview_grants.revoke_key(settings.keys_dir)
    return found


def _rotate_variables(settings: ServerSettings, backend: Backend) -> RotatedKeys:
    newest, *earlier = variable_keys.begin_rotation(settings.keys_dir)
    server_key = server_keys.server_key(settings.keys_dir)
    vault, new_vault = VariableVault(server_key, (newest, *earlier)), VariableVault(server_key, (newest,))
    encrypted, unreadable, listing = 0, [], backend.list_stacks()
    problems = list(listing.problems)
    for ref in sorted(listing.versions):
        try:
            record = backend.read(ref)
        except Exception as error:  # noqa: BLE001 - each backend has its own, and the other stacks can still be read
            problems.append(f"{ref}: {error}")
            continue
        if record is None or record.tag is None or not record.variables or _can_open(new_vault, ref, record.variables):
            continue
        try:
            variables = vault.open(ref, record.variables)
        except ValueError:
            unreadable.append(ref)
            continue
        backend.write_tag(ref, record.tag, vault.seal(ref, variables).sealed)
        encrypted += 1
    if not problems:
        variable_keys.end_rotation(settings.keys_dir)
    return RotatedKeys(encrypted, tuple(unreadable), tuple(problems))


def _can_open(vault: VariableVault, ref: StackRef, sealed: str) -> bool:
    try:
        vault.open(ref, sealed)
    except ValueError:
        return False
    return True
