"""From a file and a pull request to a recipe, within the server's limits (Y2, Y3, Y4, D1, D3, L3)."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.config.eph_yaml.admission import AdmissionPolicy
from orchestrator.config.eph_yaml.parsing import parse
from orchestrator.config.eph_yaml.recipe import build_recipe
from orchestrator.config.eph_yaml.unsupported import notices
from orchestrator.config.problems import InvalidConfig
from programs.eph_yaml.durations import format_duration, parse_duration
from programs.kit.server_engines import engines, redis
from programs.spec import CommandSpec, DatabaseSpec, EnvironmentSpec, HealthCheck, LifecycleHooks, ServiceSpec
from stacks import keys
from stacks.model import RefKind
from tests.config.small_recipes import CONTEXT, HEAD, WEB, config_error, make_recipe

ROOT = Path(__file__).parents[2]


def test_a_database_may_set_the_variables_of_postgresqls_own_programs() -> None:
    """Y2 D3: they are placeholders, because a recipe contains no password."""
    text = WEB + "database: {instances: [{name: main, libpq: true}, {name: log, variable: LOG_URL}]}\n"
    assert make_recipe(text).spec.env == {
        f"PG{name}": f"{{database.main.{part}}}"
        for name, part in (
            ("HOST", "host"),
            ("PORT", "port"),
            ("USER", "user"),
            ("PASSWORD", "password"),
            ("DATABASE", "name"),
        )
    }
    assert make_recipe(WEB).spec.env == {}
    both = text.replace("LOG_URL", "LOG_URL, libpq: true")
    assert "eph.yaml:4" in config_error(both)


@pytest.mark.parametrize("placeholder", ["url:bakend", "host:job", "database.man.host", "database.main.hots"])
def test_a_placeholder_of_nothing_in_the_file_is_a_problem(placeholder: str) -> None:
    job = "{name: job, command: run, schedule: 0 3 * * *}"
    services = f"services: [{{name: backend, command: run}}, {job}]\n"
    text = f"{services}database: {{instances: [{{name: main}}]}}\nenvironment: {{env: {{A: '{{{placeholder}}}'}}}}\n"
    assert f"{{{placeholder}}}" in config_error(text)


def test_a_value_that_is_not_used_as_written_is_a_notice() -> None:
    """Y2: never silently."""
    text = """services: [{name: web, command: run, env: {WEB_PUBLIC_URL: "http://x", HOST: 0.0.0.0}}]
environment: {env: {A: '{brace}', B: '{"json": {}}', C: '{url:web}', PREVIEW_URL: "http://x"}}
"""
    found = notices(parse((HEAD + text).encode()), AdmissionPolicy())
    names = ("WEB_PUBLIC_URL", "HOST", "{brace}", "json", "{url:web}", "PREVIEW_URL")
    assert [name for name in names if any(name in notice for notice in found)] == [
        "WEB_PUBLIC_URL",
        "HOST",
        "{brace}",
        "PREVIEW_URL",
    ]


def test_a_database_with_a_server_of_its_own() -> None:
    """D5: the engine decides the variable's name and which keys make sense."""
    text = WEB + "database: {instances: [{name: cache, engine: redis}, {name: data, engine: mysql, migrate: bin/m}]}\n"
    spec = make_recipe(text).spec
    assert [(item.engine, item.variable) for item in spec.databases] == [("redis", "REDIS_URL"), ("mysql", "MYSQL_URL")]
    assert (spec.postgres_databases, len(spec.database_servers)) == ((), 2)
    assert make_recipe(text.replace("redis", "redis, variable: CACHE")).spec.databases[0].variable == "CACHE"
    assert EnvironmentSpec.from_json(spec.to_json()) == spec
    for key in ("version: '7'", "libpq: true", "migrate: bin/m", "template: {strategy: empty}"):
        assert "eph.yaml:4" in config_error(text.replace("engine: redis", f"engine: redis, {key}"))
    assert "eph.yaml:4" in config_error(text.replace("engine: mysql", "engine: oracle"))
    assert "eph.yaml:4" in config_error(text.replace("name: cache", "name: web")), "their logs would have one name"


def test_an_engine_is_refused_where_it_is_not_available() -> None:
    """D5, Y4: on a target that doesn't offer it."""
    text = "database: {instances: [{name: cache, engine: redis}]}\n"
    targets = frozenset({"local", "aws"})
    policy = AdmissionPolicy(installed_targets=targets, allowed_targets=targets)
    images = "environment: {images: [{name: a, repository: r.test/a, tag_template: x}]}\n"
    found = config_error(f"target: aws\nservices: [{{name: web, image: a}}]\n{images}{text}", policy=policy)
    assert "`redis`" in found
    assert make_recipe(WEB + text).spec.databases[0].engine == "redis"


def test_an_engine_that_the_server_lacks_names_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    """D5: for the server's operator. Without a server, as in `eph validate`, the machine doesn't count."""
    monkeypatch.setattr(engines, "ENGINES", {"redis": replace(redis.ENGINE, program="no-such-server")})
    text = WEB + "database: {instances: [{name: cache, engine: redis}]}\n"
    found = config_error(text, policy=AdmissionPolicy(checks_machine=True))
    assert "eph.yaml:4" in found
    assert "redis-server" in found
    assert make_recipe(text).spec.databases[0].engine == "redis"
    unused = text.replace("database: {", "database: {enabled: false, ")
    assert make_recipe(unused, policy=AdmissionPolicy(checks_machine=True)).spec.databases == ()


def test_a_mail_catcher() -> None:
    """D5: its name, its variables and its URL are taken."""
    text = WEB + "mail: true\nenvironment: {env: {PAGE: '{url:mail}'}}\n"
    spec = make_recipe(text).spec
    assert spec.mail
    assert EnvironmentSpec.from_json(spec.to_json()) == spec
    assert not make_recipe(WEB).spec.mail
    assert make_recipe(WEB).spec.digest != make_recipe(WEB + "mail: true\n").spec.digest
    assert "eph.yaml:5" in config_error(text.replace("PAGE: ", "SMTP_HOST: other, PAGE: "))
    assert "eph.yaml:4" in config_error(text.replace("mail: true\n", ""))
    assert "eph.yaml:3" in config_error(text.replace("name: web", "name: mail"))
    cache = "database: {instances: [{name: mail, engine: redis}]}\n"
    assert "eph.yaml:6" in config_error(text + cache)
    assert make_recipe(text + cache.replace("redis", "postgresql")).spec.mail, "it is no process of the environment"


def test_a_target_without_a_mail_catcher_rejects_it() -> None:
    targets = frozenset({"local", "aws"})
    policy = AdmissionPolicy(installed_targets=targets, allowed_targets=targets)
    images = "environment: {images: [{name: a, repository: r.test/a, tag_template: x}]}\n"
    text = f"target: aws\nservices: [{{name: web, image: a}}]\n{images}mail: true\n"
    assert "eph.yaml:6" in config_error(text, policy=policy)


def test_migrations_first_is_for_a_seed() -> None:
    """D2: anywhere else the order has no effect, and says so."""
    seed = "template: {strategy: seed, seed: {command: fill}}"
    text = f"{WEB}database: {{instances: [{{name: main, order: migrate-first, migrate: bin/m, {seed}}}]}}\n"
    assert make_recipe(text).spec.databases[0].migrate_first
    assert "eph.yaml:4" in config_error(text.replace(f", {seed}", ""))
    assert "eph.yaml:4" in config_error(text.replace("migrate: bin/m, ", ""))


def test_a_worker_has_no_health_check() -> None:
    """Y2: a public service needs one, because its URL is announced when it responds."""
    worker = "{name: jobs, command: run, public: false, health: none}"
    found = make_recipe(f"services: [{{name: web, command: run}}, {worker}]\n").spec.services
    assert [item.health.path for item in found] == ["/healthz", ""]
    assert "eph.yaml:3" in config_error("services: [{name: web, command: run, health: none}]\n")


def test_a_small_file_becomes_a_recipe_with_the_defaults() -> None:
    found = make_recipe(WEB)
    assert found.labels == {"preview"}
    assert (found.ttl, found.idle_timeout, found.wait_for_checks, found.allow_drafts) == (None, None, (), True)
    assert found.spec.name == "shop-gentle-stream-k7wq-42"
    assert found.spec.host == "shop-gentle-stream-k7wq-42.localhost"
    assert found.spec.services == (ServiceSpec("web", "run", True, HealthCheck("/healthz", 300)),)
    assert found.spec.settings == {"root": "/somewhere"}
    assert found.spec.marks == {
        "Environment": "shop-gentle-stream-k7wq-42",
        "ManagedBy": "eph",
        "EphemeralTTL": "72h",
        "PRNumber": "42",
        "Repository": "acme/shop",
    }


def test_everything_of_the_file_arrives_in_the_spec_and_survives_json() -> None:
    page = (ROOT / "docs/reference/eph-yaml.md").read_text()
    text = re.findall(r"^```yaml\n(.*?)^```", page, re.MULTILINE | re.DOTALL)[1]
    found = build_recipe(parse(text.encode()), CONTEXT, AdmissionPolicy())
    spec = found.spec
    assert (found.labels, found.wait_for_checks, found.allow_drafts) == (
        frozenset({"preview", "demo"}),
        ("build",),
        False,
    )
    assert spec.build == CommandSpec("pip install --target .deps -r requirements.txt", 900)
    assert spec.env == {"LOG_LEVEL": "info", "WORKERS": "2"}
    assert spec.services == (
        ServiceSpec("web", "python3 web.py", True, HealthCheck("/healthz", 120), {"THEME": "dark"}),
        ServiceSpec("api", "python3 api.py", False),
    )
    assert spec.databases == (
        DatabaseSpec(
            "main",
            "15",
            "DATABASE_URL",
            "seed",
            ("db/schema.sql", "db/rows.sql"),
            CommandSpec("python3 db/more_rows.py", 600),
            CommandSpec("python3 db/migrate.py", 300),
        ),
        DatabaseSpec("events", "15", "EVENTS_URL"),
    )
    assert spec.hooks == LifecycleHooks(
        post_create=(CommandSpec("python3 scripts/warm_cache.py"),),
        pre_destroy=(CommandSpec("python3 scripts/say_goodbye.py", 30),),
    )
    assert spec.marks["Team"] == "Storefront"
    assert EnvironmentSpec.from_json(spec.to_json()) == spec


def test_example_is_rejected_only_if_its_target_is_not_installed() -> None:
    document = parse((ROOT / "eph.example.yaml").read_bytes())
    with pytest.raises(InvalidConfig) as caught:
        build_recipe(document, CONTEXT, AdmissionPolicy())
    assert str(caught.value) == (
        "eph.yaml:22:1: kubernetes: target `kubernetes` is not installed on this server; "
        "use `target: local` and the keys it needs"
    )
    both = AdmissionPolicy(
        installed_targets=frozenset({"local", "kubernetes"}), allowed_targets=frozenset({"kubernetes"})
    )
    assert build_recipe(document, CONTEXT, both).spec.target == "kubernetes"


def test_local_without_services_says_what_to_add() -> None:
    assert "the target `local` needs at least one service; add services" in config_error("target: local\n")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("target: aws\n", "3:9: target: target `aws` is not installed on this server; use `target: local`"),
        ("environment: {ttl: 31d}\n", "3:20: environment.ttl: 31d exceeds the limit of this server; use at most 30d"),
        ("build: {command: x, timeout: 31m}\n", "3:30: build.timeout: 31m exceeds the limit of this server; use at"),
        (
            "hooks: {pre_create: [{command: x, timeout: 2h}]}\n",
            "hooks.pre_create[0].timeout: 2h exceeds the limit of this ser",
        ),
        ("tests: [{name: a, command: x, timeout: 2h}]\n", "tests[0].timeout: 2h exceeds the limit of this server"),
        (
            "triggers: [{type: branch, branches: [main], paths: [web/**]}]\n",
            "triggers[0].paths: this version of Eph ignores the paths of a branch",
        ),
        ("environment: {dns: {domain: evil.example.com}}\n", "environment.dns.domain: this server doesn't allow this"),
        (
            "environment: {secrets: {KEY: stripe}}\n",
            "environment.secrets.KEY: this server has no secret 'stripe'",
        ),
        (
            "environment: {protection: {}}\n",
            "environment.protection: this server doesn't support sign-in because its set",
        ),
        (
            "database: {instances: [{name: a, template: {strategy: branch, source: x}}]}\n",
            "strategy: strategy `branch` is not available on target `local`; use empty, seed or template",
        ),
        (
            "database: {instances: [{name: a, migrate: {command: x, timeout: 1d}}]}\n",
            "database.instances[0].migrate.timeout: 24h exceeds the limit of this server",
        ),
    ],
)
def test_requests_beyond_the_servers_limits_are_reported_with_their_position(text: str, expected: str) -> None:
    assert expected in config_error(text + WEB)


def test_counts_are_limited() -> None:
    many = "services: [" + ", ".join(f"{{name: s{i}, command: x}}" for i in range(11)) + "]\n"
    databases = "database: {instances: [" + ", ".join(f"{{name: d{i}, variable: D{i}}}" for i in range(4)) + "]}\n"
    found = config_error(many + databases)
    assert "services: 11 services exceed the limit of this server; at most 10" in found
    assert "services: 11 public services exceed the limit of this server; at most 5" in found
    assert "database.instances: 4 databases exceed the limit of this server; at most 3" in found


def test_installed_target_can_be_forbidden() -> None:
    policy = AdmissionPolicy(installed_targets=frozenset({"local", "aws"}))
    assert "target `aws` is not allowed on this server" in config_error("target: aws\n", policy=policy)


def test_disabled_database_is_neither_created_nor_checked() -> None:
    text = "database: {enabled: false, instances: [{name: a, template: {strategy: branch, source: x}}]}\n"
    assert make_recipe(text + WEB).spec.databases == ()


def test_allowed_domain_is_used() -> None:
    policy = AdmissionPolicy(domains=frozenset({"preview.example.com"}))
    found = make_recipe("environment: {dns: {domain: preview.example.com}}\n" + WEB, policy=policy)
    assert found.spec.host == "shop-gentle-stream-k7wq-42.preview.example.com"


def test_an_image_without_a_command_cannot_run_on_local() -> None:
    text = "environment: {images: [{name: api, repository: acme/api, fallback_tag: x}]}\n"
    text += "services: [{name: web, image: api}]\n"
    assert (
        "services[0]: the target `local` does not support images, and service `web` has no command; add a com"
        in config_error(text)
    )


def test_an_environment_keeps_the_name_it_has() -> None:
    found = make_recipe(
        "environment: {name_template: 'new-{words}-{number}'}\n" + WEB, replace(CONTEXT, existing_name="old-42")
    )
    assert (found.spec.name, found.spec.host) == ("old-42", "old-42.localhost")


def test_too_long_host_name_of_a_second_service_is_reported() -> None:
    text = "services: [{name: web, command: x}, {name: " + "a" * 30 + ", command: x}]\n"
    assert "is too long for a host name; shorten the service's name" in config_error(
        text, replace(CONTEXT, existing_name="x" * 40)
    )


def test_too_long_words_are_reported_and_not_truncated() -> None:
    assert "the name would be 68 characters long" in config_error(WEB, replace(CONTEXT, random_words="w" * 60))


LABEL = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")


@given(branch=st.text(max_size=60), number=st.integers(1, 9_999_999))
def test_a_name_is_a_dns_label_with_words_and_number_whatever_the_branch(branch: str, number: int) -> None:
    text = "environment: {name_template: '{branch}-{words}-{number}'}\n" + WEB
    name = make_recipe(text, replace(CONTEXT, head_ref=branch, key=keys.pull_request(1, number))).spec.name
    assert LABEL.fullmatch(name)
    assert "--" not in name
    assert len(name) <= 53
    assert name.endswith(f"gentle-stream-k7wq-{number}")


def test_problems_become_the_planners_value() -> None:
    with pytest.raises(InvalidConfig) as caught:
        parse(b"name: shop\n")
    error = caught.value.as_recipe_error(frozenset({"preview"}))
    assert error.problems == ("eph.yaml:1:1: version is missing; add it: The version of the file format.",)
    assert (error.labels, error.transient) == (frozenset({"preview"}), False)


@given(st.integers(1, 365 * 86400))
def test_duration_survives_a_round_trip(seconds: int) -> None:
    length = timedelta(seconds=seconds)
    written = format_duration(length)
    assert len(written) > 7 or parse_duration(written) == length


@pytest.mark.parametrize(("kind", "read_only"), [(RefKind.BRANCH, False), (RefKind.TAG, False), (RefKind.DEPLOY, True)])
def test_only_label_deploys_never_save_the_build_cache(kind: RefKind, read_only: bool) -> None:
    """M4. How an update runs isn't part of the digest, so nothing that exists is rebuilt."""
    assert not make_recipe(WEB).spec.read_only_cache
    spec = make_recipe(WEB, replace(CONTEXT, key=keys.ref(12345, kind, "feat"), head_ref="feat")).spec
    assert spec.read_only_cache is read_only
    assert EnvironmentSpec.from_json(spec.to_json()) == spec
    assert replace(spec, read_only_cache=not read_only).digest == spec.digest
