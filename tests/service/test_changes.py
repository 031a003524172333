"""Changes that people request in an environment without a push: P5, P8, P11, S1."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.config.variable_vault import VariableValue
from orchestrator.core.planning.plan_actions import Hold
from orchestrator.forges.port import ForgeUnavailable
from orchestrator.service.changes import variables
from orchestrator.service.changes.label_requests import RESET_LABEL
from orchestrator.service.port import EnvironmentVariable, ProblemReport, RefusalReason, RequestRefused, VariableChange
from programs.spec import EnvironmentSpec
from stacks.model import OperationVerb
from tests.worlds.eph_files import EPH_YAML
from tests.worlds.world import World


@pytest.fixture
async def town(tmp_path: Path) -> AsyncIterator[World]:
    found = World(folder=tmp_path)
    yield found
    await found.close()


@contextlib.contextmanager
def refused(reason: RefusalReason) -> Iterator[None]:
    with pytest.raises(RequestRefused) as raised:
        yield
    assert raised.value.reason is reason


async def test_restart_reaches_the_target_and_is_in_the_audit_trail(town: World) -> None:
    number = town.open_pull()
    await town.run_for(minutes=1)
    started = len(town.stacks.started)
    view = town.view(number)
    assert view is not None
    assert await town.system.service.restart(f"acme/shop#{number}", "", "ada") == ["web"]
    assert town.target.restarted == [(view.name, "")]
    [event] = [each for each in town.ledger.events(limit=99) if each.kind == "environment.restarted"]
    assert (event.actor, event.subject) == ("ada", str(view.ref))
    await town.run_for(minutes=1)
    assert len(town.stacks.started) == started, "a restart is no operation and causes none"


async def test_restart_is_refused_where_nothing_runs(town: World) -> None:
    number = town.open_pull()
    await town.run_for(minutes=1)
    name = f"acme/shop#{number}"
    with refused(RefusalReason.RESTART_UNAVAILABLE):
        await town.system.service.restart(name, "worker", "ada")
    await town.system.service.sleep(name, "ada")
    await town.run_for(minutes=1)
    with refused(RefusalReason.RESTART_UNAVAILABLE):
        await town.system.service.restart(name, "", "ada")
    assert town.target.restarted == []


async def test_restart_waits_for_no_operation(town: World) -> None:
    """L6: never two changes at once."""
    number = town.open_pull()
    await town.run_for(minutes=1)
    view = town.view(number)
    assert view is not None
    with town.system.executor.reserve(view.target, view.name), refused(RefusalReason.RESTART_UNAVAILABLE):
        await town.system.service.restart(f"acme/shop#{number}", "", "ada")
    assert town.target.restarted == []


SECRET = "sk-sesame-open"


def built_spec(town: World, number: int) -> EnvironmentSpec:
    """What the last update of the environment received."""
    ups = [each for each in town.stacks.started if each.ref == town.ref(number) and each.verb is OperationVerb.UP]
    assert ups[-1].spec is not None
    return ups[-1].spec


async def set_variables(
    town: World, number: int, values: Mapping[str, str] | None = None, *, secret: bool = False, **more: str
) -> list[EnvironmentVariable]:
    wanted = {name: VariableValue(value, secret) for name, value in {**(values or {}), **more}.items()}
    return await town.system.service.change_variables(f"acme/shop#{number}", VariableChange(wanted), "ada")


async def test_variables_are_applied_without_a_push_and_survive_pushes_and_restarts(town: World) -> None:
    number = town.open_pull()
    await town.run_for(minutes=1)
    [asked] = await set_variables(town, number, LOG_LEVEL="debug")
    assert asked == EnvironmentVariable("LOG_LEVEL", "debug", secret=False, pending=True)
    [_, hidden] = await set_variables(town, number, secret=True, STRIPE_KEY=SECRET)
    assert hidden == EnvironmentVariable("STRIPE_KEY", None, secret=True, pending=True)
    await town.run_for(minutes=1)
    spec = built_spec(town, number)
    assert (spec.env["LOG_LEVEL"], spec.secret_values) == ("debug", {"STRIPE_KEY": SECRET})
    assert town.running_commit(number) == town.head(number)
    shown = town.system.service.variables(f"acme/shop#{number}")
    assert [(item.name, item.pending) for item in shown] == [("LOG_LEVEL", False), ("STRIPE_KEY", False)]

    await town.crash()
    town.push(number)
    await town.run_for(minutes=2)
    spec = built_spec(town, number)
    assert (spec.source.commit, spec.env["LOG_LEVEL"]) == (town.head(number), "debug")
    assert spec.secret_values == {"STRIPE_KEY": SECRET}
    ups = len(town.stacks.started)
    await town.run_for(minutes=5)
    assert len(town.stacks.started) == ups, "nothing is left to apply"

    change = VariableChange(unset=("LOG_LEVEL", "STRIPE_KEY"))
    assert await town.system.service.change_variables(f"acme/shop#{number}", change, "bob") == []
    await town.run_for(minutes=1)
    spec = built_spec(town, number)
    assert ("LOG_LEVEL" in spec.env, spec.secret_values) == (False, {})


async def test_variables_end_with_the_environment(town: World) -> None:
    number = town.open_pull()
    await town.run_for(minutes=1)
    await set_variables(town, number, LOG_LEVEL="debug")
    await town.run_for(minutes=1)
    town.unlabel(number)
    await town.run_for(minutes=1)
    assert town.stack(number) is None
    town.label(number)
    await town.run_for(minutes=1)
    assert town.system.service.variables(f"acme/shop#{number}") == []
    assert "LOG_LEVEL" not in built_spec(town, number).env


async def test_a_secret_appears_nowhere_but_in_the_operation(town: World) -> None:
    number = town.open_pull()
    await town.run_for(minutes=1)
    await set_variables(town, number, secret=True, STRIPE_KEY=SECRET)
    town.target.printed = [f"the key is {SECRET}"]
    await town.run_for(minutes=1)
    service, name = town.system.service, f"acme/shop#{number}"
    assert built_spec(town, number).secret_values["STRIPE_KEY"] == SECRET
    seen = [
        repr(service.environment(name)),
        repr(service.variables(name)),
        repr(town.ledger.events(limit=999)),
        repr(town.stack(number)),
        repr(town.stacks.started),
        repr(town.last_cycle),
        town.comment(number),
        *await service.all_logs(name, 100),
    ]
    assert not [text for text in seen if SECRET in text]
    assert SECRET in next(each for each in reversed(town.stacks.started) if each.spec).hidden
    changes = [
        (each.actor, each.kind, each.message) for each in town.ledger.events(limit=99) if "variable" in each.kind
    ]
    assert changes == [("ada", "variable.set", "set the variable STRIPE_KEY")]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "80"),
        ("EPH_COMMIT", "x"),
        ("HOST", "x"),
        ("PREVIEW_URL", "x"),
        ("WEB_URL", "x"),
        ("WEB_PUBLIC_URL", "x"),
        ("1ST", "x"),
        ("A B", "x"),
        ("A=B", "x"),
        ("ZERO", "a\0b"),
        ("LONG", "x" * (variables.MAX_VALUE_BYTES + 1)),
    ],
)
async def test_names_that_eph_owns_and_values_that_no_process_takes_are_refused(
    town: World, name: str, value: str
) -> None:
    number = town.open_pull()
    await town.run_for(minutes=1)
    with refused(RefusalReason.INVALID_VARIABLE):
        await set_variables(town, number, {name: value, "FINE": "x"})
    assert town.system.service.variables(f"acme/shop#{number}") == [], "all or nothing"
    assert town.event_messages("variable.set") == []


async def test_variables_are_bounded_in_number_and_size(town: World) -> None:
    number = town.open_pull()
    await town.run_for(minutes=1)
    many = {f"V{index}": "x" for index in range(variables.MAX_VARIABLES)}
    assert len(await set_variables(town, number, many)) == variables.MAX_VARIABLES
    with refused(RefusalReason.INVALID_VARIABLE):
        await set_variables(town, number, ONE_MORE="x")
    with refused(RefusalReason.INVALID_VARIABLE):
        await set_variables(town, number, dict.fromkeys(("V0", "V1", "V2", "V3", "V4"), "x" * 4000))
    with refused(RefusalReason.INVALID_VARIABLE):
        await set_variables(town, number, secret=True, V0="abc")


async def test_what_cant_have_variables_says_so(town: World) -> None:
    number = town.open_pull()
    await town.run_for(minutes=1)
    name = f"acme/shop#{number}"
    with refused(RefusalReason.INVALID_VARIABLE):
        await town.system.service.change_variables(name, VariableChange(unset=("NEVER_SET",)), "ada")
    other = town.open_pull(files={"eph.yaml": "nonsense: 1"})
    await town.run_for(minutes=1)
    with refused(RefusalReason.NOT_CREATED):
        await set_variables(town, other, A="x")


async def test_a_failed_update_is_tried_again_with_a_corrected_variable(town: World) -> None:
    """The commit is stalled; the variable that it needs counts as a request to retry."""
    number = town.open_pull()
    await town.run_for(minutes=1)
    town.stacks.fail(town.ref(number), "MODE is not set", times=99, retryable=False, verb=OperationVerb.UP)
    town.push(number)
    await town.run_for(minutes=10)
    town.stacks.clear_failure(town.ref(number))
    await set_variables(town, number, MODE="fast")
    await town.run_for(minutes=2)
    assert town.running_commit(number) == town.head(number)
    assert built_spec(town, number).env["MODE"] == "fast"


async def test_variables_of_another_key_stop_updates_but_not_the_destroy(town: World) -> None:
    """S4, L7: an update without them would silently remove them."""
    number = town.open_pull()
    await town.run_for(minutes=1)
    await set_variables(town, number, LOG_LEVEL="debug")
    await town.run_for(minutes=1)
    record = town.stack(number)
    assert record is not None
    town.stacks.records[record.ref] = replace(record, variables=record.variables[::-1])
    built = town.running_commit(number)
    town.push(number)
    await town.run_for(minutes=1)
    assert town.running_commit(number) == built
    plan = town.last_cycle.plan
    assert plan is not None
    assert [action.code for action in plan.actions if isinstance(action, Hold)] == ["variables-unreadable"]
    await set_variables(town, number, LOG_LEVEL="info")
    await town.run_for(minutes=1)
    assert (town.running_commit(number), built_spec(town, number).env["LOG_LEVEL"]) == (town.head(number), "info")
    town.stacks.records[record.ref] = replace(town.stacks.records[record.ref], variables="garbage")
    town.close_pull(number)
    await town.run_for(minutes=1)
    assert town.stack(number) is None


# --- databases, row D4

TWO_DATABASES = EPH_YAML + "database:\n  instances:\n    - {name: main}\n    - {name: extra, variable: EXTRA_URL}\n"


def resets(town: World, number: int) -> list[tuple[str, ...]]:
    """Of each update of the environment."""
    return [each.resets for each in town.stacks.started if each.ref == town.ref(number) and each.spec is not None]


async def test_reset_is_an_update_that_drops_the_database_once(town: World) -> None:
    town.forge.push(town.shop, "main", {"eph.yaml": TWO_DATABASES})
    number = town.open_pull(files={"eph.yaml": TWO_DATABASES})
    await town.run_for(minutes=1)
    name = f"acme/shop#{number}"
    assert town.system.service.resettable_databases(name) == ["extra", "main"]
    with refused(RefusalReason.RESET_UNAVAILABLE):
        await town.system.service.reset_database(name, "", "ada")
    with refused(RefusalReason.RESET_UNAVAILABLE):
        await town.system.service.reset_database(name, "nothing", "ada")
    assert await town.system.service.reset_database(name, "main", "ada") == "main"
    assert await town.system.service.reset_database(name, "extra", "bob") == "extra"
    await town.run_for(minutes=5)
    assert resets(town, number) == [(), ("main", "extra")]
    last = next(each for each in reversed(town.stacks.started) if each.resets)
    assert (last.refresh, last.commit) == (True, town.head(number))
    asked = [(each.actor, each.kind) for each in town.ledger.events(limit=99) if "reset" in each.kind]
    assert asked == [("ada", "intent.reset_database"), ("bob", "intent.reset_database")]


async def test_a_label_resets_every_database_once_and_is_removed(town: World) -> None:
    number = town.open_pull(files={"eph.yaml": TWO_DATABASES})
    await town.run_for(minutes=1)
    town.label(number, RESET_LABEL)
    await town.run_for(minutes=5)
    assert resets(town, number) == [(), ("main", "extra")]
    assert RESET_LABEL not in town.forge.pull(town.shop, number).labels
    asked = {(each.actor, each.kind) for each in town.ledger.events(limit=99) if "reset" in each.kind}
    assert asked == {("label", "intent.reset_database")}
    town.label(number, RESET_LABEL)
    await town.run_for(minutes=5)
    assert resets(town, number) == [(), ("main", "extra"), ("main", "extra")], "each label is a request"


async def test_nothing_is_reset_while_the_label_cant_be_removed(town: World) -> None:
    """Otherwise each cycle would delete the data again."""
    number = town.open_pull(files={"eph.yaml": TWO_DATABASES})
    await town.run_for(minutes=1)
    town.forge.fail_next(ForgeUnavailable("502"), "remove_label")
    town.label(number, RESET_LABEL)
    await town.run_for(seconds=2)
    assert resets(town, number) == [()]
    await town.run_for(minutes=5)
    assert resets(town, number) == [(), ("main", "extra")]


async def test_a_label_without_databases_is_removed_and_answered(town: World) -> None:
    number = town.open_pull()
    await town.run_for(minutes=1)
    town.label(number, RESET_LABEL)
    await town.run_for(minutes=2)
    assert RESET_LABEL not in town.forge.pull(town.shop, number).labels
    assert resets(town, number) == [()]
    assert RESET_LABEL in town.comment(number)


async def test_a_reset_that_fails_is_not_repeated_but_an_interrupted_one_is(town: World) -> None:
    number = town.open_pull(files={"eph.yaml": TWO_DATABASES})
    await town.run_for(minutes=1)
    ref = town.hold(number)
    await town.system.service.reset_database(f"acme/shop#{number}", "main", "ada")
    await town.run_for(seconds=10)
    town.push(number)  # a newer commit interrupts it
    await town.run_for(minutes=1)
    town.stacks.fail(ref, "the seed ended with 1", verb=OperationVerb.UP)
    town.release(ref)
    await town.run_for(minutes=10)
    assert town.running_commit(number) == town.head(number)
    assert resets(town, number) == [(), ("main",), ("main",), ()], "created, interrupted, failed, tried again"


async def test_an_environment_that_is_not_there_has_nothing_to_reset(town: World) -> None:
    number = town.open_pull()
    await town.run_for(minutes=1)
    name = f"acme/shop#{number}"
    spec = built_spec(town, number)
    if not spec.databases:
        with refused(RefusalReason.RESET_UNAVAILABLE):
            await town.system.service.reset_database(name, "", "ada")
    other = town.open_pull(files={"eph.yaml": "nonsense: 1"})
    await town.run_for(minutes=1)
    with refused(RefusalReason.NOT_CREATED):
        await town.system.service.reset_database(f"acme/shop#{other}", "", "ada")


# --- reports of problems, row P13


def problem_comments(town: World, number: int) -> list[str]:
    return [body for body in town.forge.comments(town.shop, number) if "reported a problem" in body]


async def test_report_becomes_one_comment_of_plain_text(town: World) -> None:
    """P13, S3: no command, mention or markup in a comment that Eph's own account posts."""
    number = town.open_pull()
    await town.run_for(minutes=1)
    report = ProblemReport("/cart", "The total is wrong.\n/eph down\n@everyone <b>")
    for _ in range(2):
        await town.system.service.report_problem(f"acme/shop#{number}", report, "ada")
    [body] = problem_comments(town, number)
    assert "`ada` reported a problem" in body
    assert "/cart" in body
    assert "> The total is wrong.\n> /eph down\n" in body
    assert "@everyone" not in body
    assert "<b>" not in body
    await town.run_for(minutes=1)
    assert town.view(number) is not None
    events = [each for each in town.ledger.events(limit=99) if each.kind == "problem.reported"]
    assert {each.actor for each in events} == {"ada"}


async def test_report_is_refused_without_text_or_pull_request(town: World) -> None:
    number = town.open_pull()
    await town.run_for(minutes=1)
    name = f"acme/shop#{number}"
    for report in (ProblemReport("/", " "), ProblemReport("/", "x" * 3000), ProblemReport("/" * 999, "x")):
        with refused(RefusalReason.INVALID_REPORT):
            await town.system.service.report_problem(name, report, "ada")
    town.forge.fail_next(ForgeUnavailable("503"), "upsert_comment")
    with refused(RefusalReason.FORGE_ERROR):
        await town.system.service.report_problem(name, ProblemReport("/", "x"), "ada")
    assert problem_comments(town, number) == []


# --- services turned off by label, row Y5

TWO_SERVICES = EPH_YAML + "  - {name: cron, command: run, public: false}\nlabels: {no-cron: {disable: [cron]}}\n"


async def test_label_turns_a_service_off_and_on_again_in_place(town: World) -> None:
    """Y5, P1: each is one update of the same commit, and the pull request says what is off."""
    number = town.open_pull(files={"eph.yaml": TWO_SERVICES})
    await town.run_for(minutes=1)
    assert [each.name for each in built_spec(town, number).services] == ["web", "cron"]
    started = len(town.stacks.started)
    town.label(number, "no-cron")
    await town.run_for(minutes=2)
    assert [each.name for each in built_spec(town, number).services] == ["web"]
    assert "Turned off by label: `cron`." in town.comment(number)
    assert len(town.stacks.started) == started + 1
    town.unlabel(number, "no-cron")
    await town.run_for(minutes=2)
    assert [each.name for each in built_spec(town, number).services] == ["web", "cron"]
    assert "Turned off" not in town.comment(number)
