"""S5: what an eph.yaml can require depending on the server's setting, where the token is, and that old states stay
valid."""

from __future__ import annotations

import hashlib
import json
import stat
from pathlib import Path

import pytest

from orchestrator.auth import preview_tokens
from orchestrator.config import server_keys
from orchestrator.config.eph_yaml.admission import AdmissionPolicy
from orchestrator.config.eph_yaml.parsing import parse
from orchestrator.config.eph_yaml.recipe import RecipeContext, build_recipe
from orchestrator.config.eph_yaml.unsupported import notices
from orchestrator.config.problems import InvalidConfig
from orchestrator.config.settings.server_settings import ServerSettings
from programs.kit import routes
from programs.kit.routes import RouteRecord
from programs.spec import EnvironmentSpec
from stacks import keys

CONTEXT = RecipeContext(
    keys.pull_request(7, 42), "acme/shop", "c" * 40, "b", "https://git.example/acme/shop", "gentle-stream"
)
FILE = """version: "1.0"
name: shop
target: local
environment: {{protection: {}}}
services: [{{name: web, command: x}}]
"""


def build_spec(protection: str, sign_in: str) -> EnvironmentSpec:
    bounds = ServerSettings.model_validate({"previews": {"sign_in": sign_in}}).admission_policy()
    return build_recipe(parse(FILE.format(protection).encode()), CONTEXT, bounds).spec


@pytest.mark.parametrize("sign_in", ["asked", "all"])
def test_file_can_require_sign_in_if_the_server_supports_it(sign_in: str) -> None:
    assert build_spec("{sign_in: required}", sign_in).sign_in is True
    assert build_spec("{}", sign_in).sign_in is True
    assert build_spec("{sign_in: none}", sign_in).sign_in is False


def test_otherwise_the_error_names_the_setting_and_the_position() -> None:
    with pytest.raises(InvalidConfig) as caught:
        build_spec("{sign_in: required}", "off")
    assert "eph.yaml:4:27: environment.protection: " in str(caught.value)
    assert "EPH_PREVIEWS__SIGN_IN=asked" in str(caught.value)
    assert build_spec("{sign_in: none}", "off").sign_in is False


def test_people_by_name_are_rejected_and_not_ignored() -> None:
    with pytest.raises(InvalidConfig, match=r"protection\.allow: this server can't identify people"):
        build_spec("{allow: [alice]}", "asked")
    assert notices(parse(FILE.format("{token_for_tests: false}").encode()), AdmissionPolicy()) == ()


_LATER_FIELDS = (
    "sign_in",
    "allow",
    "manifests",
    "resources",
    "values",
    "values_files",
    "secrets",
    "options",
    "replaced_images",
    "optional_images",
    "mail",
)


def test_people_by_name_are_allowed_if_there_is_an_identity_provider() -> None:
    document = parse(FILE.format("{allow: [ada@example.com, '@engineers']}").encode())
    bounds = AdmissionPolicy(sign_in_available=True, knows_people=True)
    spec = build_recipe(document, CONTEXT, bounds).spec
    assert (spec.sign_in, spec.allow) == (True, ("ada@example.com", "@engineers"))
    assert EnvironmentSpec.from_json(spec.to_json()) == spec
    assert spec.digest != build_spec("{}", "asked").digest


def test_environments_from_before_keep_their_digest_and_are_still_read() -> None:
    plain, protected = build_spec("{sign_in: none}", "asked"), build_spec("{}", "asked")
    old = plain.to_json()
    for key in (*_LATER_FIELDS, "images", "found", "asleep", "approved", "from_fork", "read_only_cache"):
        del old[key]
    for service in old["services"]:
        for key in ("image", "port", "schedule", "after", "volumes", "resources"):
            del service[key]
    assert EnvironmentSpec.from_json(old) == plain
    assert EnvironmentSpec.from_json(protected.to_json()) == protected
    assert plain.digest != protected.digest
    # The digest as it was computed before sign-in and images existed.
    assert plain.digest == _digest({key: value for key, value in old.items() if key not in ("marks", "repository")})


def _digest(data: dict[str, object]) -> str:
    return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()[:16]


def test_route_file_contains_sign_in_and_older_files_are_read(tmp_path: Path) -> None:
    here = tmp_path / "routes"
    routes.write(here, RouteRecord("a.localhost", "http://127.0.0.1:1", "a", "web", "c", sign_in=True))
    assert json.loads((tmp_path / "routes" / "a.localhost.json").read_text())["sign_in"] is True
    old = {"host": "b.localhost", "upstream": "http://127.0.0.1:1", "environment": "b", "service": "web", "commit": "c"}
    (tmp_path / "routes" / "b.localhost.json").write_text(json.dumps(old))
    assert [route.sign_in for route in routes.list_routes(here)] == [True, False]


def test_token_is_created_once_and_readable_only_by_its_owner(tmp_path: Path) -> None:
    path = preview_tokens.preview_tokens_file(tmp_path)
    token = preview_tokens.preview_token(tmp_path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len(token) >= 40
    assert preview_tokens.preview_token(tmp_path) == token
    path.write_text(f"# mine\nshort\n{'n' * 24}\n{token}\n")
    assert preview_tokens.preview_token(tmp_path) == "n" * 24
    path.write_text("short\n")
    with pytest.raises(server_keys.InvalidKey, match="no token of 24 characters"):
        preview_tokens.preview_token(tmp_path)
    path.chmod(0o644)
    with pytest.raises(server_keys.InvalidKey, match="chmod 600"):
        preview_tokens.preview_tokens_file(tmp_path)
