"""Files, names and eph.yaml of data pipelines, without Airflow. Rows: T5, Y1, S3."""

from __future__ import annotations

import ast
import importlib.util
import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from orchestrator.config.eph_yaml import parsing
from orchestrator.core.suites import junit
from programs.kit import host_settings
from programs.kit.errors import TargetError
from programs.targets.pipeline import names, run_command, settings, settings_table, wording
from programs.targets.pipeline.airflow import dags
from programs.targets.pipeline.airflow.dag_runs import DagRun, TaskRun
from programs.targets.pipeline.dag_folder import DagFolder
from programs.targets.pipeline.inside import loader
from programs.targets.pipeline.inside.loader import LoadRequest
from programs.targets.pipeline.settings import PipelineHost
from programs.targets.pipeline.settings_table import PipelineSection

NAME = "shop-gentle-stream-42"
HEAD = 'version: "1.0"\nname: shop\n'


def host(folder: Path) -> PipelineHost:
    (folder / "dags").mkdir(exist_ok=True)
    return settings.from_mapping({
        "root": str(folder / "root"),
        "server": "eph-c0ffee",
        "airflow_url": "http://127.0.0.1:1",
        "dags_folder": str(folder / "dags"),
    })  # fmt: skip


def deployed(folder: Path, tree: str, files: dict[str, str], **record: Any) -> DagFolder:
    found = DagFolder(host(folder), NAME)
    for name, text in files.items():
        path = folder / "checkout" / tree / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    found.copy_tree(folder / "checkout" / tree, tree)
    found.activate({"tree": tree, "dags": "dags", "python_path": [], **record})
    return found


# --- names


def test_names_lead_back_to_the_environment() -> None:
    assert names.environment_of(f"{names.prefix(NAME)}orders__daily") == NAME
    assert names.environment_of("orders__daily_Total") == "orders"
    assert [names.environment_of(text) for text in ("orders", "Orders__x", "__x", "a_b__x")] == ["", "", "", ""]


def test_schemas_are_short_and_differ() -> None:
    long = [f"{'a' * 61}-{number}" for number in range(2)]
    found = {names.schema(name) for name in [*long, "a-b", "a-b-c"]}
    assert len(found) == 4
    assert all(len(name) <= 63 for name in found)


@pytest.mark.parametrize("text", [None, "", "{", "[]", "null", '{"eph": "other", "environment": "x"}', "[" * 5000])
def test_a_foreign_comment_is_no_environment(text: str | None) -> None:
    assert names.parse_note(text, "eph-c0ffee") == ""
    assert names.parse_note(names.note(NAME, "eph-c0ffee"), "eph-c0ffee") == NAME


# --- files


def test_airflow_sees_the_wrapper_only(tmp_path: Path) -> None:
    """Every file is readable by Airflow's user, and everything but the wrapper is ignored from the first moment."""
    found = deployed(tmp_path, "one", {"dags/orders.py": "x", "run.sh": "x"})
    dags_folder = tmp_path / "dags"
    assert [path.name for path in dags_folder.glob("*.py")] == [names.wrapper(NAME)]
    assert (dags_folder / ".eph/.airflowignore").read_text() == "*\n"
    for path in dags_folder.rglob("*"):
        assert path.stat().st_mode & 0o044 == 0o044, path
    assert found.is_complete()
    found.remove_trees(frozenset())
    assert not found.is_complete()
    found.remove()
    assert [path.name for path in dags_folder.rglob("*") if NAME in path.name] == []


def test_wrapper_contains_nothing_of_the_repository(tmp_path: Path) -> None:
    hostile = '"""\'; import os #'
    found = deployed(tmp_path, "one", {"dags/orders.py": "x"}, dags=hostile, env={hostile: hostile}, label=hostile)
    text = found.wrapper.read_text()
    assert hostile not in text
    constants = [node.value for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Constant)]
    assert {"eph-c0ffee", NAME} <= set(constants)
    assert found.read_record()["label"] == hostile


def test_a_link_in_the_repository_stays_a_link(tmp_path: Path) -> None:
    source = tmp_path / "checkout/one/dags"
    source.mkdir(parents=True)
    (source / "orders.py").write_text("x")
    (source / "alias.py").symlink_to("orders.py")
    found = deployed(tmp_path, "one", {})
    assert (found.home / "one/dags/alias.py").is_symlink()


# --- loader


def request_for(folder: DagFolder) -> LoadRequest:
    return LoadRequest(folder.home, json.loads((folder.home / loader.RECORD).read_text()))


def test_two_commits_with_one_package_do_not_clash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In one process, one after the other, as in a tool that loads the whole DAG folder."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    seen = []
    for tree in ("one", "two"):
        files = {"dags/eph_sample_shop/__init__.py": "", "dags/eph_sample_shop/prices.py": f"WHO = {tree!r}"}
        loader.isolate(request_for(deployed(tmp_path, tree, files)))
        seen.append(__import__("eph_sample_shop.prices", fromlist=["WHO"]).WHO)
    assert seen == ["one", "two"]
    for name in ("eph_sample_shop", "eph_sample_shop.prices"):
        del sys.modules[name]


def test_the_standard_library_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path])
    loader.isolate(request_for(deployed(tmp_path, "one", {"dags/json.py": "broken = True"})))
    assert sys.modules["json"] is json


def test_an_error_names_the_innermost_line_of_the_repository(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "shop.py").write_text("def price():\n    return json_of(1)\n")
    spec = importlib.util.spec_from_file_location("eph_sample", tree / "shop.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    with pytest.raises(NameError) as caught:
        module.price()
    text = loader.describe(caught.value, "dags/orders.py", tree)
    assert text.splitlines()[0] == "shop.py, line 2: NameError: name 'json_of' is not defined"


def test_a_syntax_error_names_its_line(tmp_path: Path) -> None:
    with pytest.raises(SyntaxError) as caught:
        compile("x = 1\nx x\n", str(tmp_path / "orders.py"), "exec")
    assert loader.describe(caught.value, "", tmp_path).startswith("orders.py, line 2: SyntaxError: invalid syntax")


def test_an_error_from_elsewhere_names_the_dag_file(tmp_path: Path) -> None:
    assert loader.describe(ValueError("no"), "dags/orders.py", tmp_path) == "dags/orders.py: ValueError: no"


def test_files_that_mention_the_dag_are_loaded_first(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        (tmp_path / f"{name}.py").write_text("orders" if name == "b" else "")
    found = loader.by_likelihood(sorted(tmp_path.iterdir()), "orders")
    assert [path.stem for path in found] == ["b", "a", "c"]


# --- what Airflow reports


def test_import_failure_shows_the_loaders_own_words() -> None:
    own = "abc-1: dags/a.py, line 3: KeyError: 'x'\n  dags/a.py, line 3: y"
    trace = f"Traceback:\n  File ...\neph_loader_1.DagFileError: {own}"
    found = dags.import_failure(trace, "abc-1")
    assert "dags/a.py, line 3: KeyError: 'x'" in found.sentence
    assert "abc-1" not in found.sentence
    assert found.tail == ("  dags/a.py, line 3: y",)


def test_import_failure_of_another_kind_shows_the_end_of_its_traceback() -> None:
    found = dags.import_failure("Traceback:\n  File x\nAirflowTaskTimeout: DagBag import timeout", "abc-1")
    assert "AirflowTaskTimeout: DagBag import timeout" in found.sentence
    assert len(found.tail) == 3


def test_report_has_a_case_for_each_task() -> None:
    tasks = (TaskRun("total", "success", 1.5, 1), TaskRun("<&", "failed", 0.1, 2), TaskRun("skip", "skipped", 0, 0))
    report = junit.parse(run_command.junit_report(DagRun("orders", "r", "failed", 2.0, tasks)).encode())
    assert (report.tests, report.failures, report.skipped) == (3, 1, 1)


@pytest.mark.parametrize("parameters", ["[]", "nonsense", "1"])
def test_parameters_must_be_an_object(tmp_path: Path, parameters: str) -> None:
    said: list[object] = []
    text = run_command.command_line(host(tmp_path), NAME, "orders", parameters)[-1]
    assert run_command.main(text, said.append) == 2
    assert len(said) == 1


def test_airflow_that_does_not_respond_is_an_error_with_its_url(tmp_path: Path) -> None:
    said: list[object] = []
    host_settings.save(host(tmp_path))
    text = run_command.command_line(host(tmp_path), NAME, "orders")[-1]
    assert run_command.main(text, said.append) == 2
    assert "http://127.0.0.1:1" in str(said)


def test_a_password_is_on_no_command_line(tmp_path: Path) -> None:
    strings = {"root": str(tmp_path), "airflow_password": "hunter2", "data_url": "postgresql://a:hunter2@db/x"}
    assert "hunter2" not in str(run_command.command_line(settings.from_mapping(strings), NAME, "orders"))


# --- eph.yaml


def test_a_section_says_what_to_copy_and_what_to_run() -> None:
    section = PipelineSection.model_validate({
        "copies": ("daily_totals", {"table": "orders", "column": "day", "start": "2026-11-01"}),
        "run": ("orders", "Load_Orders", "orders"),
    })  # fmt: skip
    assert [copy.table for copy in section.copies] == ["daily_totals", "orders"]
    suites = section.suites()
    assert [suite.command.run for suite in suites] == ["orders", "Load_Orders"]
    assert suites[0].name == "orders"
    assert all(len(suite.name) <= 30 for suite in suites)
    options = section.spec_fields(str)["options"]
    assert options["folder"] == "dags"
    assert "run" not in options, "what runs after a deployment doesn't change what is deployed"


def test_suites_of_similar_dags_have_different_names() -> None:
    section = PipelineSection.model_validate({"run": ("a_b", "a-b", "A_B", "x" * 90, "x" * 91)})
    assert len({suite.name for suite in section.suites()}) == 5


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("pipeline: {copies: [{table: orders, column: day}]}", "a column without a selection"),
        ("pipeline: {copies: [{table: orders, start: 1}]}", "rows are selected without a column"),
        ("pipeline: {copies: ['a; drop']}", "is not the name of a table or column"),
        ("pipeline: {connections: ['a b']}", "is not a name in Airflow"),
        ("pipeline: {folder: ../other}", "outside of the repository"),
        ("pipeline: {nosuch: 1}", "nosuch"),
    ],
)
def test_mistakes_in_the_section_have_a_line(text: str, part: str) -> None:
    found = parsing.validate_text(HEAD + text)
    assert any(part in str(problem) for problem in found), found
    assert all("line 3" in str(problem) or ":3" in str(problem) for problem in found), found


def test_what_the_target_can_not_do_is_a_problem() -> None:
    file = {
        "pipeline": {},
        "services": [1],
        "build": {"command": "make"},
        "tests": [1],
        "database": {"instances": [1]},
        "environment": {"secrets": {"A": "a"}},
    }
    assert [found.path[0] for found in settings_table.problems(file)] == [
        "services", "build", "tests", "database", "environment",
    ]  # fmt: skip


def test_a_server_without_airflow_says_what_to_set(tmp_path: Path) -> None:
    from programs.targets.pipeline import environments

    with pytest.raises(TargetError, match=re.escape(wording.NOT_CONFIGURED)):
        environments.deploy(settings.from_mapping({"root": str(tmp_path)}), NAME, {"options": {}})
