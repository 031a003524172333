"""Rotating keys keeps everything readable, also if it is killed. O4, S4."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from orchestrator.auth import local_token, preview_grants, preview_tokens
from orchestrator.config import server_keys, variable_keys
from orchestrator.config.server_keys import InvalidKey
from orchestrator.config.settings.server_settings import ServerSettings
from orchestrator.config.variable_vault import VariableValue, VariableVault
from orchestrator.runtime.server.addresses import StartupError
from orchestrator.runtime.server.home_lock import lock_home
from orchestrator.runtime.server.key_rotation import rotate_keys
from stacks import keys
from stacks.backends import registry as backends
from stacks.backends.port import Backend
from stacks.model import StackRecord, StackRef, StackTag

SHOP, BLOG, PLAIN = (StackRef("eph-shop-9ix", f"pr-{number}") for number in (1, 2, 3))
SINCE = datetime(2026, 3, 4, 12, tzinfo=UTC)
VARIABLES = {"API_KEY": VariableValue("sesame", secret=True), "COLOR": VariableValue("blue")}


def tag_of(ref: StackRef) -> StackTag:
    number = int(ref.stack.removeprefix("pr-"))
    return StackTag(keys.pull_request(1, number), "acme/shop", f"shop-x-{number}", "inc", "a" * 40, SINCE)


def vault_of(settings: ServerSettings) -> VariableVault:
    """As ephd opens it at its next start."""
    return VariableVault(server_keys.server_key(settings.keys_dir), variable_keys.variable_keys(settings.keys_dir))


def backend_of(settings: ServerSettings) -> Backend:
    return backends.open_backend(settings.stacks_url)


def read(settings: ServerSettings, ref: StackRef) -> tuple[str, dict[str, VariableValue]]:
    record = backend_of(settings).read(ref)
    assert record is not None
    return record.variables, vault_of(settings).open(ref, record.variables)


@pytest.fixture
def settings(tmp_path: Path) -> ServerSettings:
    """A server with two environments that have variables, and one without."""
    made = ServerSettings(home=tmp_path / "eph")
    backend = backend_of(made)
    backend.prepare()
    for ref in (SHOP, BLOG, PLAIN):
        backend.create(ref)
        sealed = "" if ref == PLAIN else vault_of(made).seal(ref, VARIABLES).sealed
        backend.write_tag(ref, tag_of(ref), sealed)
    return made


def test_variables_get_a_new_key_and_keep_values_and_marks(settings: ServerSettings) -> None:
    before = {ref: read(settings, ref)[0] for ref in (SHOP, BLOG)}
    marks = vault_of(settings).read_all(before)[SHOP].secrets
    old = vault_of(settings)
    for _ in range(2):
        found = rotate_keys(settings)
        assert (found.encrypted, found.unreadable) == (2, ())
        for ref in (SHOP, BLOG):
            sealed, variables = read(settings, ref)
            assert variables == VARIABLES
            with pytest.raises(ValueError, match="decrypt"):
                old.open(ref, sealed)
        assert vault_of(settings).read_all({SHOP: read(settings, SHOP)[0]})[SHOP].secrets == marks, "no update follows"
        assert len(variable_keys.variable_keys(settings.keys_dir)) == 1
        old = vault_of(settings)


class Killed(Exception):
    """As if the process ended."""


@pytest.mark.parametrize("writes", [0, 1])
def test_killed_in_the_middle_everything_is_readable_and_repeating_completes_it(
    settings: ServerSettings, monkeypatch: pytest.MonkeyPatch, writes: int
) -> None:
    real, left = type(backend_of(settings)).write_tag, [writes]

    def dying_write(self: Any, *arguments: Any) -> None:
        if left[0] == 0:
            raise Killed
        left[0] -= 1
        real(self, *arguments)

    with monkeypatch.context() as patched:
        patched.setattr(type(backend_of(settings)), "write_tag", dying_write)
        with pytest.raises(Killed):
            rotate_keys(settings)
    for ref in (SHOP, BLOG):
        assert read(settings, ref)[1] == VARIABLES
    assert rotate_keys(settings).encrypted == 2 - writes
    for ref in (SHOP, BLOG):
        assert read(settings, ref)[1] == VARIABLES
    assert len(variable_keys.variable_keys(settings.keys_dir)) == 1


def test_tokens_are_replaced_and_an_operators_own_stay(settings: ServerSettings) -> None:
    folder = settings.keys_dir
    name = server_keys.server_id(folder)
    before = secrets_of(settings)
    own = "token-that-an-operator-added-for-a-crawler"
    with (folder / "previews.token").open("a") as file:
        file.write(f"# crawler\n{own}\n")
    rotate_keys(settings)
    assert not before & secrets_of(settings)
    assert preview_tokens.parse_tokens((folder / "previews.token").read_bytes())[1:] == (own.encode(),)
    assert server_keys.server_id(folder) == name


def secrets_of(settings: ServerSettings) -> set[object]:
    """As ephd reads or creates them at its next start."""
    folder = settings.keys_dir
    return {
        local_token.local_token(settings.home),
        preview_tokens.preview_token(folder),
        preview_grants.preview_key(folder),
    }


def test_the_old_key_stays_while_a_stack_cannot_be_read(
    settings: ServerSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind = type(backend_of(settings))
    real = kind.read

    def fail_for_blog(self: Any, ref: StackRef) -> StackRecord | None:
        if ref == BLOG:
            raise OSError("Input/output error")
        return real(self, ref)

    with monkeypatch.context() as patched:
        patched.setattr(kind, "read", fail_for_blog)
        found = rotate_keys(settings)
    assert (found.encrypted, found.problems) == (1, (f"{BLOG}: Input/output error",))
    assert read(settings, BLOG)[1] == VARIABLES
    assert rotate_keys(settings).problems == ()
    assert read(settings, BLOG)[1] == VARIABLES


def test_unreadable_variables_and_damaged_keys_are_reported(settings: ServerSettings) -> None:
    other = VariableVault(b"x" * 32).seal(BLOG, VARIABLES).sealed
    backend_of(settings).write_tag(BLOG, tag_of(BLOG), other)
    found = rotate_keys(settings)
    assert (found.encrypted, found.unreadable) == (1, (BLOG,))
    (settings.keys_dir / "variables.keys").write_text("abc")
    with pytest.raises(InvalidKey, match=r"variables\.keys is damaged"):
        rotate_keys(settings)


def test_a_running_ephd_keeps_its_keys(settings: ServerSettings) -> None:
    before = read(settings, SHOP)
    with lock_home(settings.home), pytest.raises(StartupError):
        rotate_keys(settings)
    assert read(settings, SHOP) == before
