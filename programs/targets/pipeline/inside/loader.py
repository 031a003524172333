"""Loads the DAG files of one preview environment under its names. Written for Airflow 3.

Every process of Airflow that needs a DAG runs the environment's wrapper, and the wrapper calls ``load``. A process of
Airflow parses one file, so what is changed here (``sys.path``, variables, connections) affects one environment only.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import re
import sys
import traceback
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

RECORD = "environment.json"
DAG_WORDS = (b"dag", b"airflow")
"""Airflow's safe mode looks for them in files, in any case."""
ID_FIELDS = {"trigger_dag_id": False, "external_dag_id": True}
"""Fields of operators that name a DAG. The value: whether it can be one outside the environment, which is only read."""
QUIET_FIELDS = ("email_on_failure", "email_on_retry")
MAX_TRACE_LINES = 20
MAX_DAG_ID = 250
"""The width of the columns in Airflow's database."""


class DagFileError(ImportError):
    """A DAG file can't be loaded. The first line names the tree, the file, the line and the error."""


@dataclass(frozen=True)
class LoadRequest:
    """``folder`` contains the record and the tree that it names."""

    folder: Path
    record: Mapping[str, Any]

    @property
    def tree(self) -> Path:
        return self.folder / str(self.record["tree"])

    @property
    def dags(self) -> Path:
        return self.tree / str(self.record["dags"])

    @property
    def roots(self) -> list[Path]:
        """The folders that the repository imports from."""
        return [self.dags, *(self.tree / item for item in self.record["python_path"])]


@dataclass
class LoadedDags:
    """``built``: every DAG with the ID that its file gave it, and that file."""

    built: list[tuple[Any, str, str]] = field(default_factory=list)
    exported: dict[str, Any] = field(default_factory=dict)


def load(folder: Path) -> dict[str, Any]:
    """The environment's DAGs as global variables of the wrapper. In a task's process, only the task's own DAG."""
    request = LoadRequest(folder, json.loads((folder / RECORD).read_text()))
    os.environ.update({str(name): str(value) for name, value in request.record["env"].items()})
    isolate(request)
    _map_connections(request.record["connections"])
    sdk = importlib.import_module("airflow.sdk")
    loaded = LoadedDags()
    original = sdk.DAG.__attrs_post_init__

    def rename(dag: Any, *arguments: Any, **options: Any) -> None:
        original(dag, *arguments, **options)
        loaded.built.append((dag, dag.dag_id, _file_of_caller(request)))
        if len(renamed := request.record["prefix"] + dag.dag_id) > MAX_DAG_ID:
            raise ValueError(f"the DAG ID {renamed!r} has more than {MAX_DAG_ID} characters; shorten it")
        dag.dag_id = renamed

    sdk.DAG.__attrs_post_init__ = rename
    try:
        _load_files(request, loaded, sdk.get_parsing_context().dag_id or "")
    finally:
        sdk.DAG.__attrs_post_init__ = original
    for dag, dag_id, file in loaded.built:
        if loaded.exported.get(dag.dag_id) is dag:
            adapt(dag, dag_id, request, file)
    return {f"dag_{number}": dag for number, dag in enumerate(loaded.exported.values())}


def isolate(request: LoadRequest) -> None:
    """Imports find this environment's modules first. Those of the same name that came from elsewhere are dropped."""
    roots = [str(root) for root in request.roots]
    sys.path[:] = [*roots, *(path for path in sys.path if path not in roots)]
    own = {path.stem for root in request.roots if root.is_dir() for path in root.iterdir() if _is_module(path)}
    own -= {*sys.stdlib_module_names, "airflow"}
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] in own and not _is_below(module, request.tree):
            del sys.modules[name]
    importlib.invalidate_caches()


def _is_module(path: Path) -> bool:
    return path.suffix == ".py" or (path.is_dir() and path.name.isidentifier())


def _is_below(module: ModuleType, tree: Path) -> bool:
    files = [getattr(module, "__file__", None), *(getattr(module, "__path__", None) or ())]
    return any(file and Path(file).is_relative_to(tree) for file in files)


def _map_connections(connections: Mapping[str, str]) -> None:
    """Whatever requests a connection of the repository's by name gets the environment's: operators, hooks, templates
    and the bodies of tasks."""
    if not connections:
        return
    places = [
        (importlib.import_module("airflow.sdk.definitions.connection").Connection, ("get", "async_get")),
        (
            importlib.import_module("airflow.sdk.execution_time.context"),
            ("_get_connection", "_async_get_connection"),
        ),
    ]
    for owner, names in places:
        for name in names:
            found = getattr(owner, name, None)
            if found is not None:
                setattr(owner, name, _mapped(getattr(found, "eph_original", found), connections))


def _mapped(original: Any, connections: Mapping[str, str]) -> Any:
    def get(conn_id: str, *arguments: Any, **options: Any) -> Any:
        return original(connections.get(conn_id, conn_id), *arguments, **options)

    get.eph_original = original  # type: ignore[attr-defined] # a second environment in one process starts from it
    return get


def list_dag_files(folder: Path) -> list[Path]:
    """As Airflow would: with its .airflowignore files, and only files that mention a DAG and Airflow."""
    listing = importlib.import_module("airflow.utils.file").list_py_file_paths
    found = [Path(path) for path in listing(str(folder), safe_mode=True)]
    return sorted(path for path in found if _mentions_dags(path))


def _mentions_dags(path: Path) -> bool:
    text = path.read_bytes().lower()
    return all(word in text for word in DAG_WORDS)


def by_likelihood(files: Iterable[Path], dag_id: str) -> list[Path]:
    """Files that contain the DAG's ID come first. Most tasks then load a single file."""
    return sorted(files, key=lambda path: dag_id.encode() not in path.read_bytes())


def _load_files(request: LoadRequest, loaded: LoadedDags, only: str) -> None:
    prefix = str(request.record["prefix"])
    files = list_dag_files(request.dags)
    if only:
        files = by_likelihood(files, only.removeprefix(prefix))
    for path in files:
        _load_file(path, request, loaded)
        if only in loaded.exported:
            return
    if not loaded.exported and not only:
        raise failure(request, f"{request.record['dags']}: no file in this folder defines a DAG")


def _load_file(path: Path, request: LoadRequest, loaded: LoadedDags) -> None:
    place = path.relative_to(request.tree).as_posix()
    name = "eph_dags_" + re.sub(r"\W", "_", place)
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise failure(request, f"{place}: not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # noqa: BLE001 - a DAG file may raise anything
        raise failure(request, describe(error, place, request.tree)) from None
    _export(module, request, loaded)


def _export(module: ModuleType, request: LoadRequest, loaded: LoadedDags) -> None:
    """The DAGs that Airflow would find: global variables of the file, and those that register themselves."""
    context = importlib.import_module("airflow.sdk.definitions._internal.contextmanager").DagContext
    visible = {id(value) for value in vars(module).values()} | {id(dag) for dag, _ in context.autoregistered_dags}
    sources = {id(dag): file for dag, _, file in loaded.built}
    for dag, dag_id, file in loaded.built:
        if id(dag) not in visible:
            continue
        known = loaded.exported.setdefault(dag.dag_id, dag)
        if known is not dag and sources[id(known)] != file:
            raise failure(request, f"{file}: the DAG {dag_id} is also defined in {sources[id(known)]}")


def failure(request: LoadRequest, text: str) -> DagFileError:
    """With the tree's name first: an error that Airflow still shows may be an earlier commit's."""
    return DagFileError(f"{request.record['tree']}: {text}")


def describe(error: Exception, place: str, tree: Path) -> str:
    """The innermost line of the repository, the error, then the repository's part of the traceback."""
    frames = [
        (Path(frame.filename).relative_to(tree).as_posix(), frame.lineno or 0, frame.line or "")
        for frame in traceback.extract_tb(error.__traceback__)
        if Path(frame.filename).is_relative_to(tree)
    ]
    if isinstance(error, SyntaxError) and error.filename and Path(error.filename).is_relative_to(tree):
        name = Path(error.filename).relative_to(tree).as_posix()
        frames.append((name, error.lineno or 0, (error.text or "").strip()))
        text = f"SyntaxError: {error.msg}"
    else:
        text = f"{type(error).__name__}: {error}"
    file, line, _ = frames[-1] if frames else (place, 0, "")
    where = f"{file}, line {line}" if line else file
    trace = [f"  {name}, line {number}: {code}" for name, number, code in frames]
    return "\n".join([f"{where}: {text}", *trace[-MAX_TRACE_LINES:]])


def _file_of_caller(request: LoadRequest) -> str:
    """The repository's file that creates a DAG, as a path in the repository."""
    frame = sys._getframe(1)
    while True:
        path = Path(frame.f_code.co_filename)
        if path.is_relative_to(request.tree):
            return path.relative_to(request.tree).as_posix()
        if frame.f_back is None:
            break
        frame = frame.f_back
    return ""


def adapt(dag: Any, dag_id: str, request: LoadRequest, file: str) -> None:
    """What must differ between an environment and production, where both have the same files."""
    record = request.record
    dag.dag_display_name = f"{dag_id} ({record['label']})"
    dag.tags = {*dag.tags, *record["tags"]}
    dag.is_paused_upon_creation = False
    folder = str((request.tree / file).parent)
    own = dag.template_searchpath
    dag.template_searchpath = [folder, *([own] if isinstance(own, str) else own or ())]
    if not record["schedules"]:
        dag.timetable = _no_schedule()
        dag.catchup = False
    for task in dag.tasks:
        _adapt_task(task, record)


def _no_schedule() -> Any:
    return importlib.import_module("airflow.sdk.definitions.timetables.simple").NullTimetable()


def _adapt_task(task: Any, record: Mapping[str, Any]) -> None:
    fields = _fields(task)
    for name, can_be_outside in ID_FIELDS.items():
        value = fields.get(name)
        if not isinstance(value, str) or value.startswith(record["prefix"]):
            continue
        if not (can_be_outside and value in record["external_dags"]):
            _set(task, name, record["prefix"] + value)
    for name, value in list(fields.items()):
        if name.endswith("conn_id") and isinstance(value, str) and value in record["connections"]:
            _set(task, name, record["connections"][value])
    for name in QUIET_FIELDS:
        if fields.get(name):
            _set(task, name, value=False)
    if record["owner"] and "owner" in fields:
        _set(task, "owner", record["owner"])
    # An event of an asset starts every DAG that is scheduled by it, and assets are shared.
    if fields.get("outlets"):
        _set(task, "outlets", [])


def _fields(task: Any) -> dict[str, Any]:
    partial = getattr(task, "partial_kwargs", None)
    return dict(partial) if isinstance(partial, dict) else dict(vars(task))


def _set(task: Any, name: str, value: Any) -> None:
    partial = getattr(task, "partial_kwargs", None)
    if isinstance(partial, dict):
        partial[name] = value
    else:
        setattr(task, name, value)
