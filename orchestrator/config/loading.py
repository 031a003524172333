"""Reads the settings from where they are, and says of a wrong one which variable or line it is.

A secret's value is in no message: of a setting that may hold one only the name and the rule are told.
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
from pydantic_settings import EnvSettingsSource, SettingsError

from orchestrator.config.problems import KEY_MOST, BadSettings, Rejected, escape, quote
from orchestrator.config.settings import Settings, default_home

PREFIX = "EPH_"
FILE = "eph.toml"
_SECRET = re.compile(r"token|secret|postgres|ledger_url|public_url|backend_url")
_HEADER = re.compile(r"\s*\[\s*([A-Za-z0-9_.-]+)\s*\]")
_GROUP = "this is a group of settings; set one of them, such as EPH_LIMITS__ENVIRONMENTS or environments in [limits]"
Steps = tuple[str, ...]


def load(config: Path | None = None, **overrides: Any) -> Settings:
    """``config`` is the file of ``--config``, else eph.toml in home if there; ``overrides`` win over everything."""
    home = Path(overrides.get("home") or os.environ.get(f"{PREFIX}HOME") or default_home()).expanduser()
    path = config or home / FILE
    written = _toml(path, required=config is not None)
    variables = _environment()
    mistyped = _mistyped(os.environ)
    try:
        settings = Settings(**_merged(written, _merged(variables, overrides)))
    except ValidationError as error:
        found = [_sentence(item, path, written, variables) for item in error.errors(include_url=False)]
        raise BadSettings([*mistyped, *found]) from None  # the cause would show values that may be secret
    if mistyped:
        raise BadSettings(mistyped)
    return settings


def names(group: type[BaseModel] = Settings, above: Steps = ()) -> list[Steps]:
    """Every setting's path: ``("ttl", "most")``."""
    found: list[Steps] = []
    for key, field in group.model_fields.items():
        model = field.annotation
        inner = isinstance(model, type) and issubclass(model, BaseModel)
        found += names(model, (*above, key)) if inner else [(*above, key)]  # type: ignore[arg-type] # inner says so
    return found


def variable(steps: Steps) -> str:
    return PREFIX + "__".join(steps).upper()


def _environment() -> dict[str, Any]:
    try:
        return EnvSettingsSource(Settings)()
    except SettingsError as error:
        key = re.search(r'field "([a-z_]+)"', str(error))
        name = variable((key[1],)) if key else PREFIX
        raise BadSettings([f"{name}: {_GROUP}"]) from None


def _toml(path: Path, required: bool) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        if required:
            raise BadSettings([f"{path}: there is no such file; name another with --config"]) from None
        return {}
    except OSError as error:
        raise BadSettings([f"{path}: cannot be read: {error.strerror}; check its owner and mode"]) from None
    except UnicodeDecodeError:
        raise BadSettings([f"{path}: not UTF-8; save the file as UTF-8"]) from None
    except tomllib.TOMLDecodeError as error:
        place = re.search(r"\(at line (\d+), column (\d+)\)", str(error))
        where = f"{path}:{place[1]}:{place[2]}" if place else f"{path}"
        why = str(error).partition(" (at ")[0]
        raise BadSettings([f"{where}: this is not TOML: {escape(why, 80)}"]) from None


def _merged(lower: Mapping[str, Any], upper: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(lower)
    for key, value in upper.items():
        below = merged.get(key)
        merged[key] = _merged(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    return merged


def _mistyped(environ: Mapping[str, str]) -> list[str]:
    """Variables that are nearly one of ours: a typing mistake would else be passed over. Others may be anybody's."""
    known = {variable(steps) for steps in names()}
    found = []
    for name in sorted(environ):
        if name.startswith(PREFIX) and name not in known:
            close = get_close_matches(name, known, n=1, cutoff=0.92)
            if close and close[0] != name:
                found.append(f"{name}: there is no such setting; did you mean {close[0]}?")
    return found


def _sentence(error: Any, path: Path, written: Mapping[str, Any], variables: Mapping[str, Any]) -> str:
    rejected = error.get("ctx", {}).get("error")
    own = isinstance(rejected, Rejected)
    steps = tuple(str(step) for step in (*error["loc"], *(rejected.at if own else ())))
    named = tuple(step for step in steps if not step.isdigit())
    where = _where(named, path, written, variables)
    if error["type"] == "extra_forbidden":
        return f"{where}: there is no such setting; {_suggest(named)}"
    if own:
        return f"{where}: {rejected}"
    if error["type"] == "model_type":
        return f"{where}: {_GROUP}"
    why = escape(str(error["msg"]), 120).lower()
    shown = "" if _SECRET.search(".".join(named)) else f"{quote(error['input'])} does not fit: "
    return f"{where}: {shown}{why}"


def _where(steps: Steps, path: Path, written: Mapping[str, Any], variables: Mapping[str, Any]) -> str:
    """The variable or the line that the value at ``steps`` came from."""
    if _has(variables, steps):
        return variable(steps)
    name = ".".join(escape(step, KEY_MOST) for step in steps)
    return f"{path}:{_line(path, steps)}: {name}" if _has(written, steps) else name


def _has(data: Any, steps: Steps) -> bool:
    for step in steps:
        if not isinstance(data, Mapping) or step not in data:
            return False
        data = data[step]
    return True


def _line(path: Path, steps: Steps) -> int:
    """The line of a key in the file, found by its table's header and its own name; of the header when that fails."""
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


def _suggest(steps: Steps) -> str:
    known = [".".join(item) for item in names()]
    close = get_close_matches(".".join(steps)[:60], known, n=1)
    if not close:
        return "take it out"
    return f"did you mean {close[0]}?"
