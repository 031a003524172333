"""The runner counts what happened, and the attacks can fail: without a guard, one succeeds. Rows: S1–S6, L7, P12."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.attack import catalogue, runner
from tests.attack.arena import Arena
from tests.attack.attack import Attack, Missing, NotTried, Try
from tests.attack.missing_guards import CLUSTER_GUARD, GUARDS, MissingGuard, run_without
from tests.attack.runner import Outcome
from tests.sabotage import patched_copy


def resist(_: Arena) -> str:
    return ""


def succeed(_: Arena) -> str:
    return "evidence"


def lack(_: Arena) -> str:
    raise NotTried(Missing.USERS)


def give_up(_: Arena) -> str:
    raise NotTried("the preview isn't there")


def crash(_: Arena) -> str:
    raise OSError("broken")


def attack_with(run: Try) -> Attack:
    return Attack("family", "name", "name", "S3", "something bad", run)


@pytest.mark.parametrize(
    ("run", "outcome", "passes"),
    [
        (resist, Outcome.RESISTED, True),
        (succeed, Outcome.SUCCEEDED, False),
        (lack, Outcome.NOT_TRIED, True),
        (give_up, Outcome.BROKEN, False),
        (crash, Outcome.BROKEN, False),
    ],
)
def test_only_a_resisted_attack_or_an_accepted_reason_passes(run: Try, outcome: Outcome, passes: bool) -> None:
    results = runner.run_all([attack_with(run)], Arena(), lambda _: None)
    assert [result.outcome for result in results] == [outcome]
    assert runner.passed(results) is passes


def test_the_last_line_has_the_real_counts() -> None:
    tried = [attack_with(run) for run in (resist, resist, succeed, lack, crash)]
    printed: list[str] = []
    results = runner.run_all(tried, Arena(), printed.append)
    assert len(printed) == 5
    assert runner.summary(results) == "attack: 3 tried, 1 succeeded, 1 not tried, 1 broken"


def test_nothing_tried_does_not_pass() -> None:
    assert not runner.passed([])


def test_every_attack_has_a_name_of_its_own_and_rows() -> None:
    known = (*catalogue.ATTACKS, *catalogue.CLUSTER_ATTACKS)
    names = Counter(f"{attack.family}: {attack.name}" for attack in known)
    assert [name for name, count in names.items() if count > 1] == []
    assert len(names) >= 300
    assert all(attack.row and attack.success for attack in known)


@pytest.mark.parametrize("guard", [*GUARDS, CLUSTER_GUARD], ids=lambda guard: guard.name)
def test_each_missing_guard_matches_its_source_and_its_attack(guard: MissingGuard) -> None:
    assert patched_copy.mismatches([guard.patch]) == []
    known = (*catalogue.ATTACKS, *catalogue.CLUSTER_ATTACKS)
    assert [attack for attack in known if guard.attack in f"{attack.family}: {attack.name}"]


@pytest.mark.long
@pytest.mark.real
@pytest.mark.timeout(400)
@pytest.mark.parametrize("guard", GUARDS, ids=lambda guard: guard.name)
@pytest.mark.exhaustive
def test_without_the_guard_the_attack_succeeds(guard: MissingGuard) -> None:
    done = run_without(guard)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "SUCCEEDED" in done.stdout, done.stdout + done.stderr
    assert "BROKEN" not in done.stdout, done.stdout
