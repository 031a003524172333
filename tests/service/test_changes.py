"""Changes that people request in an environment without a push: P5, P8, P11, S1."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from orchestrator.config.variable_vault import VariableValue
from orchestrator.core.planning.plan_actions import Hold
from orchestrator.forges.port import ForgeUnavailable
from orchestrator.service.changes import variables
from orchestrator.service.port import EnvironmentVariable, ProblemReport, RefusalReason, VariableChange
from stacks.model import OperationVerb
from tests.service.change_requests import built_spec, refused
from tests.worlds.eph_files import EPH_YAML
from tests.worlds.world import World


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
