"""Secret values are redacted in every form in which programs usually print them (S4)."""

from __future__ import annotations

import base64
import json
import re
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import pytest

from programs.kit.errors import TargetError
from programs.kit.processes import command_runner
from programs.kit.processes.command_runner import CommandRun
from programs.kit.processes.sandbox import Workspace
from programs.redaction import Redactor, redact
from programs.spec import EnvironmentSpec, GitSource, Secret
from programs.targets.kubernetes.api import object_names as kubernetes_names
from programs.targets.kubernetes.rendering import workloads
from programs.targets.local.v1.base import Provider, hidden
from tests.targets.local_machine import local_settings

VALUE = 'p@ss "wörd"/+=&\\n'
PEM = "-----BEGIN KEY-----\nMIIEvQIBADANBgkqhkiG9w0\nq9f\n-----END KEY-----"


@pytest.mark.parametrize(
    "shown",
    [
        VALUE,
        json.dumps({"key": VALUE}),
        f"https://host/?key={quote(VALUE, safe='')}&x=1",
        base64.b64encode(VALUE.encode()).decode(),
        f"export KEY={VALUE}; echo {VALUE}",
    ],
)
def test_encoded_values_are_found(shown: str) -> None:
    clean = Redactor([VALUE])(f"before {shown} after")
    assert clean.startswith("before ")
    assert clean.endswith(" after")
    assert "***" in clean
    assert "rd" not in clean


def test_password_of_a_secret_url_is_found_alone() -> None:
    """S4: a library that takes the parts of a database's URL prints its password without the rest."""
    redactor = Redactor(["postgresql://shop:p%40ss-w0rd@127.0.0.1/shop", "http://[::1", "http://me@example.com"])
    assert redactor("PGPASSWORD=p@ss-w0rd") == redactor("PGPASSWORD=p%40ss-w0rd") == "PGPASSWORD=***"
    assert redactor("user me at example.com, database shop") == "user me at example.com, database shop"


def test_multi_line_value_is_found_line_by_line() -> None:
    veil = Redactor([PEM])
    assert [veil(line) for line in PEM.splitlines()] == ["***", "***", "q9f", "***"]
    assert veil(PEM) == "***"


def test_longest_value_first_and_short_values_are_ignored() -> None:
    assert Redactor(["secret", "secret-longer"])("a secret-longer one, a secret one") == "a *** one, a *** one"
    assert Redactor(["yes", ""])("yes, and nothing") == "yes, and nothing"
    assert Redactor()("text") == "text"
    assert Redactor(["a.c*+?("])("abcccc a.c*+?(") == "abcccc ***"


@pytest.fixture
def place(tmp_path: Path) -> Workspace:
    made = Workspace(tmp_path / "root" / "envs" / "shop" / "src" / "x", tmp_path / "root" / "envs" / "shop" / "home")
    for folder in (made.checkout, made.home / "tmp"):
        folder.mkdir(parents=True)
    return made


def test_build_that_prints_a_secret_shows_it_neither_in_log_nor_error(tmp_path: Path, place: Workspace) -> None:
    """Even where a long line is cut, or arrives in pieces."""
    value = "gehe1mes-Wört-42"
    line = (
        "env | sort; printf 'first half gehe1mes-W\\303'; sleep 0.2; "
        "printf '\\266rt-42 second'; sleep 0.1; echo; head -c 1993 /dev/zero | tr '\\0' x; echo $KEY; exit 3"
    )
    with pytest.raises(TargetError) as caught:
        command_runner.run(
            local_settings(tmp_path), "shop", place, CommandRun("build", "build", line, 20, {"KEY": value}, (value,))
        )
    log = (place.checkout.parents[1] / "logs" / "build.log").read_text()
    for text in ("\n".join(caught.value.tail), log):
        assert "KEY=***" in text
        assert "first half *** second" in text
        assert "gehe1" not in text


KEY, WORD = "k" * 1000, "gehe1mes-Wort-42"


@pytest.mark.parametrize(
    "text",
    [
        "x" * 100 + WORD + "y" * 3992,
        "x" * 1992 + WORD + "y" * 9000,
        KEY + "x" * 1992 + WORD + "y" * 9000,
        f"{KEY}{WORD}" * 9,
        "x" * 1500 + KEY[:-1] + WORD,
    ],
    ids=["front", "end", "shortened", "repeated", "nearly"],
)
def test_a_secret_across_the_cut_of_a_long_line_is_never_shown_in_part(
    tmp_path: Path, place: Workspace, text: str
) -> None:
    """S3: the front of a line was cut off, and with it the first half of a secret, whose second half was then shown.
    Redaction shortens a line, so more of its end becomes visible."""
    line = 'printf %s "$TEXT" | head -c 2995; sleep 0.1; printf %s "$TEXT" | tail -c +2996; echo; exit 3'
    command = CommandRun("build", "build", line, 20, {"TEXT": text}, (WORD, KEY))
    with pytest.raises(TargetError) as caught:
        command_runner.run(local_settings(tmp_path), "shop", place, command)
    [shown] = caught.value.tail
    assert len(shown) <= command_runner.MAX_LINE_LENGTH
    assert not re.search("gehe1|Wort|-42", shown)


def test_provider_records_names_of_secrets_but_not_values() -> None:
    assert hidden({"env": {"KEY": "v", "OTHER": "w"}, "secrets": ["KEY"]}) == ("v",)
    assert hidden({"env": {"KEY": "v"}}) == ()

    class Kept(Provider):
        kept = ("env", "secrets")

    assert Kept().record({"root": "/r", "environment": "e", "env": {}}) == {"root": "/r", "environment": "e", "env": {}}


def spec(**secrets: Secret) -> EnvironmentSpec:
    source = GitSource("/origin.git", "a" * 40, "feature")
    return EnvironmentSpec("shop-a-42", "shop.test", "kubernetes", "shop", source, (), secrets=secrets)


def test_pods_change_with_a_secret_and_contain_only_its_name() -> None:
    """T2: a new value replaces the pods, although none of them contains it."""
    first, other = spec(KEY=Secret("k", "m1", VALUE)), spec(KEY=Secret("k", "m2", VALUE))
    notes = kubernetes_names.secrets_annotation(first)
    assert notes != kubernetes_names.secrets_annotation(other)
    assert notes == kubernetes_names.secrets_annotation(replace(first, name="other"))
    assert kubernetes_names.secrets_annotation(spec()) == {}
    template = workloads.pod_template({}, {}, notes)
    assert template["metadata"]["annotations"] == notes
    assert "annotations" not in workloads.pod_template({}, {}, {})["metadata"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("fatal: https://bot:s3cret@example.com/x", "fatal: https://bot:***@example.com/x"),
        ("postgresql+asyncpg://:pw@db/app and redis://u:p@h", "postgresql+asyncpg://:***@db/app and redis://u:***@h"),
        ("see http://localhost:8080/a@b", "see http://localhost:***@b"),
        ("mailto ann@example.com at 10:30", "mailto ann@example.com at 10:30"),
    ],
)
def test_passwords_in_urls_are_redacted(text: str, told: str) -> None:
    """Redacts too much rather than too little: what looks like a password before an @ counts as one."""
    assert redact(text) == told


def test_redaction_is_linear_in_line_length() -> None:
    """S3: with a quadratic pattern this would take hours."""
    assert redact("a" * 2_000_000) == "a" * 2_000_000
    assert redact("://u:" * 20_000) == "://u:" * 20_000
