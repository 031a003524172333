"""Reads the settings from their sources. An error names the variable or line of the invalid setting.

No message contains a secret's value: for a setting that may be a secret, only the name and the rule are reported.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import EnvSettingsSource, SettingsError

from orchestrator.config import wording
from orchestrator.config.problems import InvalidSettings
from orchestrator.config.settings.server_settings import ServerSettings
from orchestrator.config.settings.settings_fields import default_home
from orchestrator.forges import registry as forge_registry
from programs.quoting import escape, quote
from programs.settings import MAX_KEY, InvalidValue

PREFIX = "EPH_"
FILE = "eph.toml"
_SECRET = re.compile(r"token|secret|postgres|ledger_url|public_url|backend_url")
_HEADER = re.compile(r"\s*\[\s*([A-Za-z0-9_.-]+)\s*\]")
_GROUP_TEXT = wording.settings.SETTING_GROUP
SettingPath = tuple[str, ...]


def load(config: Path | None = None, **overrides: Any) -> ServerSettings:
    """``config`` is the file of ``--config``, or else eph.toml in home if it exists; ``overrides`` have the highest
    priority."""
    home = Path(overrides.get("home") or os.environ.get(f"{PREFIX}HOME") or default_home()).expanduser()
    path = config or home / FILE
    written = _read_toml(path, required=config is not None)
    variables = _read_environment()
    mistyped = _misspelled_variables(os.environ)
    try:
        settings = ServerSettings(**_deep_merge(written, _deep_merge(variables, overrides)))
    except ValidationError as error:
        found = [_error_text(item, path, written, variables) for item in error.errors(include_url=False)]
        raise InvalidSettings([*mistyped, *found]) from None  # the cause would show values that may be secret
    if mistyped:
        raise InvalidSettings(mistyped)
    return settings


def setting_paths(group: type[BaseModel] = ServerSettings, prefix: SettingPath = ()) -> list[SettingPath]:
    """Every setting's path: ``("ttl", "most")``."""
    found: list[SettingPath] = []
    for key, field in group.model_fields.items():
        path = (*prefix, key)
        tables = _tables(path, field)
        found += [inner for table in tables for inner in setting_paths(table, path)] if tables else [path]
    return list(dict.fromkeys(found))


def setting_field(path: SettingPath) -> FieldInfo | None:
    """The declaration of a setting or of a group of them."""
    tables: list[type[BaseModel]] = [ServerSettings]
    found: FieldInfo | None = None
    for depth, key in enumerate(path, 1):
        found = next((table.model_fields[key] for table in tables if key in table.model_fields), None)
        tables = _tables(path[:depth], found) if found else []
    return found


def _tables(path: SettingPath, field: FieldInfo) -> list[type[BaseModel]]:
    """The models that the table at ``path`` can have; none if it is a single value."""
    if path == ("forge",):
        return [forge_registry.get(name).settings_model for name in forge_registry.installed_forges()]
    model = field.annotation
    return [model] if isinstance(model, type) and issubclass(model, BaseModel) else []


def env_variable(path: SettingPath) -> str:
    return PREFIX + "__".join(path).upper()


def _read_environment() -> dict[str, Any]:
    try:
        return EnvSettingsSource(ServerSettings)()
    except SettingsError as error:
        key = re.search(r'field "([a-z_]+)"', str(error))
        name = env_variable((key[1],)) if key else PREFIX
        raise InvalidSettings([f"{name}: {_GROUP_TEXT}"]) from None


def _read_toml(path: Path, required: bool) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        if required:
            raise InvalidSettings([wording.settings.file_not_found(path)]) from None
        return {}
    except OSError as error:
        raise InvalidSettings([wording.settings.file_unreadable(path, error.strerror)]) from None
    except UnicodeDecodeError:
        raise InvalidSettings([wording.settings.not_utf_8(path)]) from None
    except tomllib.TOMLDecodeError as error:
        place = re.search(r"\(at line (\d+), column (\d+)\)", str(error))
        where = f"{path}:{place[1]}:{place[2]}" if place else f"{path}"
        why = str(error).partition(" (at ")[0]
        raise InvalidSettings([wording.settings.not_toml(where, escape(why, 80))]) from None


def _deep_merge(lower: Mapping[str, Any], upper: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(lower)
    for key, value in upper.items():
        below = merged.get(key)
        merged[key] = _deep_merge(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    return merged


def _misspelled_variables(environ: Mapping[str, str]) -> list[str]:
    """Variables that are almost one of ours, because a typo would otherwise be ignored. Any other variable may belong
    to another program."""
    known = {env_variable(steps) for steps in setting_paths()}
    found = []
    for name in sorted(environ):
        if name.startswith(PREFIX) and name not in known:
            close = get_close_matches(name, known, n=1, cutoff=0.92)
            if close and close[0] != name:
                found.append(wording.settings.did_you_mean_setting(name, close[0]))
    return found


def _error_text(error: Any, path: Path, written: Mapping[str, Any], variables: Mapping[str, Any]) -> str:
    rejected = error.get("ctx", {}).get("error")
    own = isinstance(rejected, InvalidValue)
    steps = tuple(str(step) for step in (*error["loc"], *(rejected.path if own else ())))
    named = tuple(step for step in steps if not step.isdigit())
    where = _source_of(named, path, written, variables)
    if error["type"] == "extra_forbidden":
        return wording.settings.unknown_setting(where, _suggest(named))
    if own:
        return f"{where}: {rejected}"
    if error["type"] == "model_type":
        return f"{where}: {_GROUP_TEXT}"
    if error["type"] == "missing":  # its input is the whole table, which may contain a secret
        return wording.settings.required(where)
    why = escape(str(error["msg"]), 120).lower()
    shown = "" if may_be_secret(named) else wording.settings.invalid_value(quote(error["input"]))
    return f"{where}: {shown}{why}"


def may_be_secret(steps: SettingPath) -> bool:
    field = setting_field(steps)
    return "SecretStr" in repr(field.annotation if field else "") or bool(_SECRET.search(".".join(steps)))


def _source_of(steps: SettingPath, path: Path, written: Mapping[str, Any], variables: Mapping[str, Any]) -> str:
    """The variable or line that the value at ``steps`` came from."""
    if _has_path(variables, steps):
        return env_variable(steps)
    name = ".".join(escape(step, MAX_KEY) for step in steps)
    return f"{path}:{_line_of(path, steps)}: {name}" if _has_path(written, steps) else name


def _has_path(data: Any, path: SettingPath) -> bool:
    for step in path:
        if not isinstance(data, Mapping) or step not in data:
            return False
        data = data[step]
    return True


def _line_of(path: Path, steps: SettingPath) -> int:
    """The line of a key in the file, found by its table's header and its name, or else the line of the header."""
    table, best = "", 1
    for number, text in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        header = _HEADER.match(text)
        table = header[1] if header else table
        key = text.partition("=")[0].strip().strip("\"'") if "=" in text and not header else ""
        full = ".".join(part for part in (table, key) if part)
        if full == ".".join(steps):
            return number
        if full and ".".join(steps).startswith(f"{full}."):
            best = number
    return best


def _suggest(steps: SettingPath) -> str:
    known = [".".join(item) for item in setting_paths()]
    close = get_close_matches(".".join(steps)[:60], known, n=1)
    if not close:
        return "remove it"
    return wording.settings.did_you_mean(close[0])
