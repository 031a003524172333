"""The server's settings: their sources, what follows from them, and errors (Y4, L6, S4)."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from orchestrator.config.problems import InvalidSettings
from orchestrator.config.settings.loading import env_variable, load, setting_paths
from orchestrator.config.settings.server_settings import ServerSettings
from programs.settings import InvalidValue


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.startswith("EPH_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("EPH_HOME", str(tmp_path))


def load_errors(monkeypatch: pytest.MonkeyPatch, variables: Mapping[str, str]) -> tuple[str, ...]:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(InvalidSettings) as caught:
        load()
    return caught.value.problems


def test_the_defaults_lie_in_home_and_on_loopback(tmp_path: Path) -> None:
    found = load()
    assert (found.listen_address, found.gateway_listen_address) == (("127.0.0.1", 8081), ("127.0.0.1", 8080))
    assert (found.interval, found.deadline) == (timedelta(seconds=30), timedelta(minutes=30))
    assert found.url_template == "http://{host}:8080"
    assert found.stacks_url == f"file://{tmp_path}/backend"
    assert found.ledger_database_url == f"sqlite:///{tmp_path}/ledger.db"
    folders = [
        found.work_dir,
        found.operations_dir,
        found.gateway_dir,
        found.routes_dir,
        Path(found.target_mapping("local")["root"]),
    ]
    folders += [found.keys_dir, found.pulumi_home]
    assert all(folder.is_relative_to(tmp_path) for folder in folders)
    assert len(set(folders)) == 7


def test_options_win_over_variables_over_the_file_over_defaults(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "eph.toml").write_text(
        'interval = "1m"\nworkers = 3\ndeadline = 90\nlabels = ["a"]\n[limits]\nenvironments = 7\nservices = 2\n'
    )
    monkeypatch.setenv("EPH_LIMITS__ENVIRONMENTS", "8")
    monkeypatch.setenv("EPH_LABELS", "x, y,")
    monkeypatch.setenv("EPH_WORKERS", "4")
    found = load(workers=5)
    assert (found.interval, found.deadline, found.workers) == (timedelta(minutes=1), timedelta(seconds=90), 5)
    assert (found.labels, found.limits.environments, found.limits.services) == (("x", "y"), 8, 2)
    assert (found.policy().max_environments, found.admission_policy().max_services) == (8, 2)
    assert found.policy().default_labels == found.admission_policy().default_labels == {"x", "y"}


def test_another_file_is_read_when_named(tmp_path: Path) -> None:
    other = tmp_path / "other.toml"
    other.write_text('domain = "preview.example.com"\n')
    assert load(config=other).domain == "preview.example.com"
    with pytest.raises(InvalidSettings, match=r"nothing\.toml: file not found; use --config to select another file"):
        load(config=tmp_path / "nothing.toml")


def test_variables_for_previews_reach_every_target_that_runs_commands(tmp_path: Path) -> None:
    """S4: what would break or leave the sandbox is refused."""
    (tmp_path / "ca.pem").write_text("CA")
    text = f"""
[local]
ca_file = "{tmp_path / "ca.pem"}"
env = {{PIP_INDEX_URL = "https://packages.example.com/simple"}}
[kubernetes]
env = {{NO_PROXY = ".svc,10.0.0.0/8"}}
"""
    (tmp_path / "eph.toml").write_text(text)
    found = load()
    index = {"PIP_INDEX_URL": "https://packages.example.com/simple"}
    for target, key in (("local", "env"), ("static", "env"), ("kubernetes", "tools_env")):
        mapping = found.target_mapping(target, "eph-1")
        assert (json.loads(mapping[key]), mapping["ca_file"]) == (index, str(tmp_path / "ca.pem"))
    assert json.loads(found.target_mapping("kubernetes", "eph-1")["env"]) == {"NO_PROXY": ".svc,10.0.0.0/8"}
    for name in ("PATH", "HOME", "A B"):
        (tmp_path / "eph.toml").write_text(f'[local.env]\n"{name}" = "x"\n')
        with pytest.raises(InvalidSettings, match=name):
            load()


def test_empty_settings_follow_the_gateways_port_and_home(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("https_proxy", "HTTPS_PROXY", "SSL_CERT_FILE"):
        monkeypatch.delenv(name, raising=False)
    found = ServerSettings(home=Path("/srv/eph"), gateway_listen="0.0.0.0:9999")
    assert found.url_template == "http://{host}:9999"
    assert found.target_mapping("local") == {
        "root": "/srv/eph/local",
        "routes": "/srv/eph/gateway/routes",
        "url": "http://{host}:9999",
        "toolbox": "",
        "path": "/usr/local/bin:/usr/bin:/bin",
        "sandbox": "auto",
        "egress": "proxy",
        "egress_allow": "",
        "egress_proxy": "",
        "machine_proxy": "",
        "env": "",
        "ca_file": "",
        "cache_bytes": str(8 * 1024**3),
        "cache_days": "14",
        "build_limit": "0",
        "build_slots": "/srv/eph/build-slots",
        "build_spare": str(256 * 1_000_000),
        "toolchains": "auto",
        "first_uid": "2100000",
        "memory_bytes": "4294967296",
        "server_memory_bytes": "268435456",
        "disk_bytes": "21474836480",
        "process_limit": "2048",
        "cpu_limit": "0.0",
        "postgres": "",
        "checkout_bytes": str(512 * 1024**2),
        "templates": "",
    }


@pytest.mark.parametrize(
    ("listen", "url"),
    [
        ("127.0.0.1:8081", "http://127.0.0.1:8081"),
        ("0.0.0.0:8081", "http://127.0.0.1:8081"),
        ("[::]:8081", "http://[::1]:8081"),
        ("eph.internal:80", "http://eph.internal:80"),
    ],
)
def test_local_programs_reach_the_api_by_loopback_if_it_listens_there(listen: str, url: str) -> None:
    assert ServerSettings(home=Path("/srv/eph"), listen=listen).local_api_url == url


def test_previews_are_checked_at_their_public_entry_point() -> None:
    """P3: through the ingress controller if that forwards to the gateway; otherwise directly at the gateway."""
    own = {"front": "eph", "front_namespace": "eph", "front_labels": "app=eph"}
    for told, way in (
        ({"ingress_url": "http://10.0.0.5"}, "http://127.0.0.1:8080"),
        (own, "http://127.0.0.1:8080"),
        ({**own, "ingress_url": "http://10.0.0.5"}, "http://10.0.0.5"),
    ):
        tables: dict[str, Any] = {"kubernetes": told}
        assert ServerSettings(home=Path("/srv/eph"), **tables).probe_url == way


def test_settings_in_code_ignore_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EPH_WORKERS", "9")
    assert ServerSettings(home=Path("/srv/eph")).workers == 1


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("EPH_INTERVAL", "often", "EPH_INTERVAL: 'often' is not a duration; use a number and a unit"),
        ("EPH_INTERVAL", "0", "EPH_INTERVAL: 0.0 is out of range"),
        ("EPH_INTERVALL", "30", "EPH_INTERVALL: unknown setting; did you mean EPH_INTERVAL?"),
        ("EPH_WORKERS", "many", "EPH_WORKERS: 'many' is not valid: input should be a valid integer"),
        ("EPH_LIMITS__CONCURRENT", "0", "EPH_LIMITS__CONCURRENT: '0' is not valid: input should be greater than"),
        ("EPH_LIMITS__CONCURENT", "1", "did you mean EPH_LIMITS__CONCURRENT?"),
        ("EPH_LIMITS", "5", "EPH_LIMITS: this is a group of settings; set one of them, such as"),
        ("EPH_FORGE", "x", "EPH_FORGE: this is a group of settings; set one of them, such as"),
        ("EPH_LISTEN", "8081", "EPH_LISTEN: '8081' is not host:port; use a value such as 127.0.0.1:8080"),
        ("EPH_LISTEN", "localhost:8080", "gateway_listen: the API and the gateway use the same port"),
        ("EPH_DOMAIN", "no domain", "EPH_DOMAIN: 'no domain' is not a domain"),
        ("EPH_PUBLIC_URL", "https://example.com", "EPH_PUBLIC_URL: this is not a URL that contains {host}"),
        ("EPH_BACKEND_URL", "floppy://a", "EPH_BACKEND_URL: unknown backend 'floppy'; installed backends: "),
        ("EPH_BACKEND_URL", "file://stacks", "EPH_BACKEND_URL: a file backend needs an absolute path; write file://"),
        ("EPH_FORGE__REPOSITORIES", "acme/shop,pay", "EPH_FORGE__REPOSITORIES: 'pay' is not a repository; use owner"),
        ("EPH_PREVIEWS__PROXIES", "10.0.0.0/8,ingress", "EPH_PREVIEWS__PROXIES: 'ingress' is not a network; use"),
        ("EPH_TARGETS__DEFAULT", "aws", "EPH_TARGETS__DEFAULT: the default target is not among the allowed ones"),
        (
            "EPH_TTL__DEFAULT",
            "60d",
            "EPH_TTL__DEFAULT: the default is longer than the maximum; lower it or raise ttl.most",
        ),
        (
            "EPH_LOCAL__SANDBOX",
            "thick",
            "EPH_LOCAL__SANDBOX: 'thick' is not valid: input should be 'auto', 'bubblewrap'",
        ),
    ],
)
def test_wrong_variable_is_reported_by_name(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, expected: str
) -> None:
    assert any(expected in line for line in load_errors(monkeypatch, {name: value}))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("interval = = 3\n", "eph.toml:1:12: invalid TOML: Invalid value"),
        ("\ninterval = 'x'\n", "eph.toml:2: interval: 'x' is not a duration"),
        ("[ttl]\n# c\nmost = []\n", "eph.toml:3: ttl.most: '[]' is not a duration"),
        ("ttl.most = 'x'\n", "eph.toml:1: ttl.most: 'x' is not a duration"),
        (
            "[limits]\nenvironmnts = 3\n",
            "eph.toml:2: limits.environmnts: unknown setting; did you mean limits",
        ),
        ("[gitlab]\nurl = 'x'\n", "eph.toml:1: gitlab: unknown setting"),
        ("forge = 3\n", "eph.toml:1: forge: this is a group of settings"),
    ],
)
def test_wrong_line_of_the_file_is_reported(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str, expected: str
) -> None:
    (tmp_path / "eph.toml").write_text(text)
    assert any(expected in line for line in load_errors(monkeypatch, {}))


def test_file_that_is_not_text_is_reported(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "eph.toml").write_bytes(b"\xff")
    assert "not UTF-8" in load_errors(monkeypatch, {})[0]


def test_unrelated_variables_are_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EPH_TOKEN", "x")
    monkeypatch.setenv("EPH_CACHE", "x")
    assert load().workers == 1


def test_no_secret_is_repeated_in_an_error_or_shown(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    secrets = {
        "EPH_FORGE__TOKEN": "hunter2-token",
        "EPH_FORGE__TOKEN_FILE": "/nowhere",
        "EPH_LOCAL__POSTGRES": "postgresql://admin:hunter2@db/x",
        "EPH_LEDGER_URL": "postgresql://eph:hunter2@db/x",
        "EPH_BACKEND_URL": "s3://hunter2@bucket",
        "EPH_PUBLIC_URL": "hunter2",
    }
    assert "hunter2" not in "\n".join(load_errors(monkeypatch, secrets))
    for key in ("webhook_secret", "private_key"):
        (tmp_path / "eph.toml").write_text(f"[forge]\n{key} = ['hunter2']\n")
        assert "hunter2" not in "\n".join(load_errors(monkeypatch, secrets))
    tables: dict[str, Any] = {"local": {"postgres": "postgresql://hunter2"}}
    quiet = ServerSettings(home=tmp_path, forge={"token": "hunter2"}, **tables)
    assert "hunter2" not in f"{quiet!r} {quiet} {quiet.model_dump_json()}"
    assert quiet.target_mapping("local")["postgres"] == "postgresql://hunter2"


def test_the_token_comes_from_the_variable_or_from_the_file(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("from-file\n")
    assert ServerSettings(forge={"token": " given "}).forge.read_secret("token") == "given"
    assert ServerSettings(forge={"token_file": file}).forge.read_secret("token") == "from-file"
    assert ServerSettings().forge.read_secret("token") == ""
    with pytest.raises(InvalidValue, match=r"forge\.token_file: .*gone: No such file"):
        ServerSettings(forge={"token_file": tmp_path / "gone"}).forge.read_secret("token")


def test_every_setting_has_a_description_and_a_variable() -> None:
    assert all(field.description for field in ServerSettings.model_fields.values())
    listed = [env_variable(steps) for steps in setting_paths()]
    assert len(listed) == len(set(listed)) > 30
    assert "EPH_FORGE__TOKEN" in listed
    for field in ServerSettings.model_fields.values():
        for inner in getattr(field.annotation, "model_fields", {}).values():
            assert inner.description


SHARED = {
    "EPH_REPLICAS__LEASE": "postgres",
    "EPH_REPLICAS__SHARED": "/srv/eph",
    "EPH_LEDGER_URL": "postgresql://db/eph",
}


def test_replicas_share_everything_except_their_work(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """O2: a single ephd shares nothing, so its home is all there is."""
    assert load().shared_dir == tmp_path
    for name, value in SHARED.items():
        monkeypatch.setenv(name, value)
    found = load()
    assert found.stacks_url == "file:///srv/eph/backend"
    shared = [found.operations_dir, found.gateway_dir, found.routes_dir, Path(found.target_mapping("local")["root"])]
    assert all(folder.is_relative_to("/srv/eph") for folder in [*shared, found.keys_dir])
    assert all(folder.is_relative_to(tmp_path) for folder in (found.work_dir, found.pulumi_home))
    assert found.replica_url == "http://127.0.0.1:8081"
    monkeypatch.setenv("EPH_REPLICAS__URL", "https://eph-1.internal:8081/")
    assert load().replica_url == "https://eph-1.internal:8081"


def test_replicas_reach_each_other_by_tls(monkeypatch: pytest.MonkeyPatch) -> None:
    """S1: on other machines without TLS only if the operator says that something else encrypts it."""
    files = {"EPH_REPLICAS__CERTIFICATE_FILE": "/tls.crt", "EPH_REPLICAS__KEY_FILE": "/tls.key"}
    for name, value in {**SHARED, **files, "EPH_REPLICAS__LISTEN": "10.0.0.5:8444"}.items():
        monkeypatch.setenv(name, value)
    assert load().replica_url == "https://10.0.0.5:8444"
    monkeypatch.setenv("EPH_REPLICAS__URL", "http://eph-1.internal:8081")
    monkeypatch.setenv("EPH_REPLICAS__ENCRYPTION", "external")
    assert load().replica_url == "http://eph-1.internal:8081"


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("EPH_LEDGER_URL", "", "replicas elect their leader in PostgreSQL, but ledger_url is not a PostgreSQL URL"),
        ("EPH_LEDGER_URL", "sqlite:////srv/eph/ledger.db", "replicas elect their leader in PostgreSQL"),
        ("EPH_REPLICAS__SHARED", "", "replicas need a shared folder"),
        ("EPH_HOME", "/srv/eph", "the shared folder is also this replica's home"),
        ("EPH_REPLICAS__URL", "eph-1:8081", "this is not a URL"),
        ("EPH_LISTEN", "0.0.0.0:8081", "other replicas can't reach 0.0.0.0"),
        ("EPH_LISTEN", "10.0.0.5:8081", "people's tokens to http://10.0.0.5:8081 without TLS; set replicas.listen"),
        ("EPH_REPLICAS__URL", "http://eph-1.internal", "people's tokens to http://eph-1.internal without TLS"),
        ("EPH_REPLICAS__LISTEN", "10.0.0.5:8444", "TLS between replicas needs an address, a certificate and its key"),
        ("EPH_REPLICAS__KEY_FILE", "/tls.key", "set replicas.listen"),
    ],
)
def test_impossible_replica_settings_are_rejected(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, said: str
) -> None:
    """O2: at startup, with what to do."""
    variables = {**SHARED, name: value}
    [problem] = load_errors(monkeypatch, {key: text for key, text in variables.items() if text})
    assert said in problem
