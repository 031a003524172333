"""A disabled guard is detected: those of the model here, the real ones in ``make sabotage``.

L2, L5, L6, L7, L8, S1, S2, S3, S4, P1: each row's guards, by name.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sabotage import history_player, patched_copy, verification
from tests.sabotage.guards import MODELLED, Guard, Patch
from tests.sabotage.history_player import HistoryPlayer
from tests.sabotage.real_guards import FILES, REAL

ALL = {guard.name: guard for guard in (*MODELLED, *REAL)}


@pytest.fixture(scope="module")
def player() -> Iterator[HistoryPlayer]:
    with history_player.history_player() as made:
        yield made


@pytest.fixture(scope="module")
def code_copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return patched_copy.copy_code(tmp_path_factory.mktemp("code"), ())


@pytest.mark.long
@pytest.mark.timeout(300)
@pytest.mark.exhaustive
def test_all_guards_on_passes(player: HistoryPlayer, code_copy: Path) -> None:
    found = verification.control_runs(player, code_copy, MODELLED)
    assert found == {guard.name: [] for guard in MODELLED}


@pytest.mark.long
@pytest.mark.parametrize("guard", MODELLED, ids=lambda guard: guard.name)
@pytest.mark.exhaustive
def test_disabled_guard_is_detected_by_the_model(player: HistoryPlayer, code_copy: Path, guard: Guard) -> None:
    assert verification.verify_modelled(player, code_copy, guard) == ""


@pytest.mark.long
@pytest.mark.timeout(300)
@pytest.mark.parametrize("guard", FILES[:1], ids=lambda guard: guard.name)
@pytest.mark.exhaustive
def test_disabled_guard_fails_its_test(guard: Guard) -> None:
    assert verification.verify_real(guard) == ""


def test_there_are_many_guards_and_every_counter_is_used() -> None:
    assert len(ALL) == len(MODELLED) + len(REAL) >= 20
    assert {guard.counter for guard in ALL.values()} == set(history_player.KINDS)


def test_patch_that_does_not_match_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(patched_copy.PatchMismatch, match="0 times"):
        patched_copy.copy_code(tmp_path, [Patch("stacks/backends/pulumi_locks.py", "no such line", "")])


@pytest.mark.long
def test_undetected_guard_is_reported(player: HistoryPlayer, code_copy: Path) -> None:
    blind = Guard(
        "none",
        "lost",
        (Patch("stacks/backends/pulumi_locks.py", "_CLOCK_TOLERANCE = 2.0", "_CLOCK_TOLERANCE = 3.0"),),
        (("open", 1, 0),),
    )
    assert "lost stays 0" in verification.verify_modelled(player, code_copy, blind)
