"""Sentences for people are in wording modules, and tests compare codes and states instead.

A sentence is text with at least three words. Log messages, docstrings and messages of programming errors
(``ValueError``, ``TypeError``) are for engineers and may be anywhere. What a declaration publishes about itself (the
description of a setting, the help of an option) stays at the declaration. A fake plays a system outside of Eph.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("orchestrator", "programs", "stacks")
SENTENCE = re.compile(r"[a-z'’,;:)}]+ +[a-z`({]+.* +[a-z(`{]+", re.IGNORECASE)
PLACEHOLDERS = re.compile(r"[^a-z]*")
COMMAND = re.compile(
    r"(docker|eph|kubectl|pulumi) ([a-z-]+|\{\}) |aws [a-z]+ [a-z-]+ |(cd|exec|trap|ulimit) [-'{]"
    r"|command -v |for \w+ in \{|set --|kubectl --|export \{|#!|default-src |umask \d|import [a-z,]+;|host='\{"
    r"|PGPASSWORD="
)
ENGINEERS_ERRORS = frozenset({"ValueError", "TypeError", "RuntimeError", "KeyError", "AssertionError"})
NOT_SENTENCES = {
    "orchestrator/core/sleep/sleep_rules.py": "commit statuses of earlier versions begin with it",
    "orchestrator/core/views/phases.py": "the value of a phase, which the API returns",
    "orchestrator/cli/scaffold/frameworks.py": "the commands of frameworks",
    "orchestrator/cli/scaffold/monorepo.py": "the commands of workspaces",
    "orchestrator/cli/scaffold/rendering.py": "the eph.yaml that `eph init` writes",
    "orchestrator/forges/github/commits/commit_cache.py": "a key of the cache",
    "orchestrator/forges/github/commits/graphql.py": "GraphQL",
    "programs/targets/program/error_lines.py": "how Pulumi's SDKs introduce the error of a program",
    "orchestrator/demo/airflow/pipeline_repository.py": "the titles and queries of its pull requests",
    "orchestrator/demo/cloud/cloud_repository.py": "the titles of its pull requests",
    "orchestrator/demo/cloud/demo_cloud.py": "a fake cloud's answers",
    "orchestrator/demo/demo_world.py": "the titles of its pull requests",
    **{
        f"orchestrator/demo/github/{module}.py": "answers that imitate GitHub's API"
        for module in (
            "api/app_endpoints",
            "api/graphql_endpoint",
            "api/http",
            "api/pull_endpoints",
            "api/repository_endpoints",
            "state/commit_reports",
            "state/github_apps",
            "state/hub",
            "state/pull_requests",
        )
    },
    "orchestrator/demo/github/state/document_store.py": "SQL",
    "orchestrator/demo/github/state/git_repositories.py": "objects in git's format",
    **{
        f"orchestrator/demo/shop/{module}.py": "the sample app, which knows nothing of Eph"
        for module in ("web", "tests/browser", "tests/integration")
    },
    "orchestrator/forges/port.py": "commit statuses begin with it",
    "orchestrator/surfaces/dashboard/environment_list.py": "the names of orders, which URLs contain",
    "programs/targets/kubernetes/exec/shell_wrapper.py": "a shell script",
    "programs/targets/kubernetes/rendering/seed_scripts.py": "a shell script and SQL",
    "programs/targets/pipeline/dag_folder.py": "the Python file that Airflow loads",
    "programs/targets/pipeline/inside/loader.py": "Airflow's processes run this file without Eph's packages",
    "programs/targets/program/inside/project_runner.py": "codes, which the target's wording replaces with sentences",
    "programs/targets/static/file_server.py": "a program that uses the standard library only",
    "programs/kit/address_server.py": "runs alone; a page",
    "programs/kit/database/server_errors.py": "PostgreSQL's own words",
    "programs/kit/isolation/namespaces.py": "runs alone, as a part of launch.py",
    "programs/kit/mail_catcher/main.py": "runs alone; its log, and an answer in SMTP",
    "programs/kit/processes/launch.py": "runs alone, without Eph's modules",
    "programs/steps.py": "the names of steps, which events contain",
    "programs/targets/kubernetes/rendering/servers.py": "the commands of readiness probes",
    "stacks/word_lists.py": "the words of names",
}
TEMPLATES = {
    "orchestrator/gateway/holding_pages.py": "the texts of the gateway's pages, each where its page is built",
    "orchestrator/ledger/event_kinds.py": "the description of each kind of event, for the reference page",
    "orchestrator/surfaces/metrics.py": "the help of each metric",
    "orchestrator/surfaces/reports/comment.py": "the pull request's comment, which a snapshot shows as a whole",
    "orchestrator/surfaces/reports/phase_wording.py": "the name of each phase in reports",
    "orchestrator/surfaces/reports/suite_table.py": "the table of test suites in the comment",
    "programs/kit/mail_catcher/pages.py": "the pages of the mail catcher, which runs alone",
}
"""These modules consist of text: each is the wording module of one page or report."""
DECLARATIONS = frozenset({"description", "help", "summary"})
STATEMENT = re.compile(
    r"\s*((ALTER|CASE|COMMENT|CONNECT|CREATE|DELETE|DO|DROP|GET|GRANT|INSERT|PRAGMA|SELECT|SET|UPDATE|NOT EXISTS|WITH) "
    r"|[a-z]\.[a-z]+ NOT LIKE |pg_[a-z]+ [a-z] JOIN |(Proxy-)?Authorization: )"
)  # SQL and HTTP
REASONS = frozenset({"reason", "reasons", "note", "notes"})


@pytest.mark.parametrize("package", PACKAGES)
def test_sentences_are_in_wording_modules(package: str) -> None:
    found = [
        f"{path.relative_to(ROOT)}:{line}: {text}"
        for path in sorted((ROOT / package).rglob("*.py"))
        if not is_wording(path) and str(path.relative_to(ROOT)) not in {*NOT_SENTENCES, *TEMPLATES}
        for line, text in sentences(ast.parse(path.read_text()))
    ]
    assert not found, "Move these to the room's wording package:\n" + "\n".join(found)


def test_exceptions_are_needed() -> None:
    needless = [
        name for name in (*NOT_SENTENCES, *TEMPLATES) if not any(sentences(ast.parse((ROOT / name).read_text())))
    ]
    assert not needless, "These modules contain no sentences any more"


def test_tests_compare_codes() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in sorted((ROOT / "tests").rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Compare) and compares_prose(node)
    ]
    assert not found, "Compare a code, or move the text to a snapshot:\n" + "\n".join(found)


def test_the_checks_find_what_they_look_for() -> None:
    tree = ast.parse(
        '"""A doc string of a module."""\nraise Refused(f"the label {x} is reserved")\nlog.info("it is done")\n'
        'Field(description="The label of it")\nconnection.execute("SELECT one FROM them")'
    )
    assert [text for _, text in sentences(tree)] == ["the label {} is reserved"]
    for source in ('hold.reason == wording.locked("x")', '"is running" in wait.reason', 'view.reasons == ("one two",)'):
        [compare] = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Compare)]
        assert compares_prose(compare), source
    [compare] = [node for node in ast.walk(ast.parse('forge.note(x) == "a: b"')) if isinstance(node, ast.Compare)]
    assert not compares_prose(compare)


def sentences(tree: ast.Module) -> Iterator[tuple[int, str]]:
    nodes = [*ast.walk(tree)]
    skipped = {id(part) for node in nodes if is_for_engineers(node) for part in ast.walk(node)}
    skipped |= {id(part) for node in nodes if isinstance(node, ast.JoinedStr) for part in node.values}
    for node in nodes:
        text = text_of(node) if id(node) not in skipped else ""
        if " " in text and SENTENCE.search(text) and not COMMAND.match(text) and not PLACEHOLDERS.fullmatch(text):
            yield getattr(node, "lineno", 0), text


def is_wording(path: Path) -> bool:
    return "wording" in path.parts or path.name.endswith("wording.py") or path.name.startswith("fake")


def is_for_engineers(node: ast.AST) -> bool:
    match node:
        case ast.Expr(value=ast.Constant()):  # a docstring
            return True
        case ast.Raise(exc=ast.Call(func=ast.Name(id=name))):
            return name in ENGINEERS_ERRORS
        case ast.Call(func=ast.Attribute(value=ast.Name(id=name))):
            return name in ("log", "_log", "re")
        case ast.Call(
            func=ast.Name(id="TargetDescription" | "SecretProviderAdapter")
        ):  # what it publishes about itself
            return True
        case ast.keyword(arg=name):
            return name in DECLARATIONS
        case ast.Assign(targets=[ast.Name(id=name)]):
            return name.endswith("_DESCRIPTION")  # that several declarations share
        case ast.Constant(value=str(text)) | ast.JoinedStr(values=[ast.Constant(value=str(text)), *_]):
            return bool(STATEMENT.match(text))
        case _:
            return False


def compares_prose(node: ast.Compare) -> bool:
    parts = [part for side in (node.left, *node.comparators) for part in ast.walk(side)]
    called = {id(part.func) for part in parts if isinstance(part, ast.Call)}  # ``note`` also reads one of Git's notes
    about_reason = any(
        isinstance(part, ast.Attribute) and part.attr in REASONS and id(part) not in called for part in parts
    )
    return about_reason and any(map(is_prose, parts))


def is_prose(node: ast.AST) -> bool:
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "wording":
        return True
    return " " in text_of(node)


def text_of(node: ast.AST) -> str:
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=values):
            return "".join(text_of(part) or "{}" for part in values)
        case _:
            return ""
