"""Reads eph.yaml once per commit. A commit never changes, so the result is kept as long as it is needed.

For a fork, the file comes from the base branch, so a stranger's file decides nothing (S2). The base branch moves, so
results that depend on it (a fork's recipe, fallback labels) are kept for only a minute.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TypeVar

from orchestrator.config.eph_yaml import unsupported
from orchestrator.config.eph_yaml.admission import AdmissionPolicy, SecretGrants, resolve_target, withheld_secrets
from orchestrator.config.eph_yaml.parsing import Document, parse
from orchestrator.config.eph_yaml.recipe import RecipeContext, build_recipe
from orchestrator.config.eph_yaml.triggers import WatchedRefs, ref_patterns, trigger_labels
from orchestrator.config.eph_yaml.yaml_reader import YamlLimits
from orchestrator.config.problems import InvalidConfig
from orchestrator.config.secret_store import SecretStore
from orchestrator.core.model.world import Recipe, RecipeError
from orchestrator.core.util.time_windows import TimeWindow
from orchestrator.forges.port import Forge, ForgeNotFound, ForgeRefused, ForgeUnavailable, Repository
from orchestrator.sources import wording
from orchestrator.sources.uploaded_commits import NO_UPLOADS, UploadedCommits
from programs.kit.caches import BoundedCache
from programs.kit.errors import TargetError
from programs.kit.git.uploads import FileTooLarge
from stacks import names
from stacks.model import Key, RefKind

CONFIG_FILE = "eph.yaml"
MAX_BYTES = 64 * 1024
BASE_TTL = timedelta(minutes=1)
UNPUSHED_TTL = timedelta(hours=6)
"""Without a push, the file is unchanged."""
K = TypeVar("K")
V = TypeVar("V")
MISSING_FILE = wording.recipe_missing(CONFIG_FILE)


def parse_file(text: bytes, limits: YamlLimits) -> Document:
    return parse(text, limits=limits)


@dataclass(frozen=True, slots=True)
class ServerRules:
    """What the server adds to every file: limits, the key for names, the domain, the targets' settings."""

    bounds: AdmissionPolicy
    naming_key: bytes
    domain: str
    settings: Mapping[str, Mapping[str, str]]
    max_bytes: int = MAX_BYTES
    secrets: SecretStore = field(default_factory=SecretStore)
    parse_file: Callable[[bytes, YamlLimits], Document] = parse_file


@dataclass(frozen=True, slots=True)
class RecipeQuery:
    """The commit for which a recipe is read. ``base`` is the branch whose file applies to a fork, and whose labels
    apply if the commit's own file is invalid."""

    key: Key
    commit: str
    ref: str
    base: str
    labels: frozenset[str] = frozenset()
    from_fork: bool = False


@dataclass(frozen=True, slots=True)
class _UnreadableFile:
    """Why there is no document: ``problems`` of the file, or a failed read."""

    problems: tuple[str, ...]
    transient: bool = False
    permanent: bool = True
    """Permanent: it follows from the commit itself."""


@dataclass(frozen=True, slots=True)
class _CachedRecipe:
    recipe: Recipe | RecipeError
    valid: TimeWindow | None = None
    """None: keep while there is space."""


@dataclass(frozen=True, slots=True)
class _CachedRefs:
    """The content of a default branch's file. ``state``: the last push and the branch name at that time."""

    state: tuple[str, str]
    valid: TimeWindow
    watched: WatchedRefs


ReadResult = Document | _UnreadableFile


@dataclass(frozen=True, slots=True)
class CacheSizes:
    """``recipes``: more than there are open pull requests with labels; otherwise each cycle would read all of them
    again. ``parsed``: most commits of a repository contain the same file, and parsing YAML is the slowest part."""

    recipes: int = 20_000
    bases: int = 500
    parsed: int = 500


DEFAULT_SIZES = CacheSizes()


class RecipeReader:
    """Thread-safe, except that calls for one key must not overlap. A label deploy's commit may be one of
    ``uploads``, of which the Git host knows nothing."""

    def __init__(
        self,
        forge: Forge,
        rules: ServerRules,
        clock: Callable[[], datetime],
        sizes: CacheSizes = DEFAULT_SIZES,
        uploads: UploadedCommits = NO_UPLOADS,
    ) -> None:
        self._forge = forge
        self._rules = rules
        self._clock = clock
        self._uploads = uploads
        self._recipes: BoundedCache[tuple[object, ...], _CachedRecipe] = BoundedCache(sizes.recipes)
        self._invalid: BoundedCache[tuple[int, str], _UnreadableFile] = BoundedCache(sizes.recipes)
        self._watched_refs: dict[int, _CachedRefs] = {}
        self._bases: BoundedCache[tuple[int, str], tuple[TimeWindow, ReadResult]] = BoundedCache(sizes.bases)
        self._parsed: BoundedCache[bytes, Document] = BoundedCache(sizes.parsed)

    def recipe_for(self, repository: Repository, query: RecipeQuery, existing_name: str) -> Recipe | RecipeError:
        upload = self._upload_url(repository, query)
        question = (
            query,
            existing_name,
            repository.full_name,
            self._rules.secrets.fingerprint(),
            upload,
        )
        known = self._recipes.get(question)
        if known is not None and (known.valid is None or known.valid.contains(self._clock())):
            return known.recipe
        made = self._resolve(replace(repository, clone_url=upload) if upload else repository, query, existing_name)
        if not (isinstance(made, RecipeError) and made.transient):
            moves = query.from_fork or isinstance(made, RecipeError)
            valid = TimeWindow(self._clock(), BASE_TTL) if moves else None
            self._recipes.put(question, _CachedRecipe(made, valid))
        return made

    def watched_refs(self, repository: Repository) -> WatchedRefs | RecipeError:
        """The watched refs in the default branch's file. An unreadable or invalid file changes nothing.

        If the host reports pushes, the file is read after each push, and again a minute later, because a host may
        report two pushes in one second as one.
        """
        state = (repository.pushed_at, repository.default_branch)
        known = self._watched_refs.get(repository.id)
        same = known is not None and known.state == state
        if known is not None and same and known.valid.contains(self._clock()):
            return known.watched
        found = self._read(repository, repository.default_branch)
        if isinstance(found, _UnreadableFile) and found.problems != (MISSING_FILE,):
            return RecipeError(found.problems, frozenset(), transient=found.transient)
        watched = ref_patterns(found) if isinstance(found, Document) else WatchedRefs()
        rest = UNPUSHED_TTL if same and repository.pushed_at else BASE_TTL
        self._watched_refs[repository.id] = _CachedRefs(state, TimeWindow(self._clock(), rest), watched)
        return watched

    def _resolve(self, repository: Repository, query: RecipeQuery, existing_name: str) -> Recipe | RecipeError:
        found = self._read_for(repository, query)
        if isinstance(found, Document):
            return self._build(found, repository, query, existing_name)
        if found.transient:
            return RecipeError(found.problems, self._rules.bounds.default_labels, transient=True)
        return RecipeError(found.problems, self._base_labels(repository, query.base))

    def _read_for(self, repository: Repository, query: RecipeQuery) -> ReadResult:
        if self._upload_url(repository, query):
            return self._read_upload(repository, query.commit)
        if query.from_fork:
            return self._read_base(repository, query.base)
        return self._read_head(repository, query.commit)

    def _upload_url(self, repository: Repository, query: RecipeQuery) -> str:
        is_deploy = query.key.kind is RefKind.DEPLOY
        return self._uploads.clone_url(repository.id, query.commit) if is_deploy else ""

    def _read_upload(self, repository: Repository, commit: str) -> ReadResult:
        """Not kept: a removed upload can be uploaded again."""
        try:
            text = self._uploads.read_file(repository.id, commit, CONFIG_FILE, self._rules.max_bytes)
            return _UnreadableFile((MISSING_FILE,)) if text is None else self._parse(text)
        except InvalidConfig as error:
            return _UnreadableFile(tuple(error.lines()))
        except FileTooLarge:
            return _UnreadableFile((wording.recipe_too_large(CONFIG_FILE, self._rules.max_bytes),))
        except TargetError as error:
            return _UnreadableFile((error.sentence,), transient=True, permanent=False)

    def _build(
        self, document: Document, repository: Repository, query: RecipeQuery, existing_name: str
    ) -> Recipe | RecipeError:
        key, bounds = query.key, self._rules.bounds
        context = RecipeContext(
            key=key,
            repository_name=repository.full_name,
            head_sha=query.commit,
            head_ref=query.ref,
            clone_url=repository.clone_url,
            random_words=names.unguessable_words(self._rules.naming_key, key),
            existing_name=existing_name,
            domain=self._rules.domain,
            target_settings=self._rules.settings.get(resolve_target(document.config, bounds), {}),
            labels=query.labels,
            grants=self._rules.secrets.grants(repository.full_name, query.from_fork),
            default_branch=repository.default_branch,
            from_fork=query.from_fork,
        )
        try:
            made = build_recipe(document, context, bounds)
            return replace(made, notices=_notices(document, bounds, context.grants))
        except InvalidConfig as error:
            return error.as_recipe_error(trigger_labels(document, bounds.default_labels))

    def _read_head(self, repository: Repository, sha: str) -> ReadResult:
        """Errors at a commit are permanent; a valid file is kept as its recipe."""
        place = (repository.id, sha)
        known = self._invalid.get(place)
        if known is not None:
            return known
        found = self._read(repository, sha)
        if isinstance(found, _UnreadableFile) and found.permanent:
            self._invalid.put(place, found)
        return found

    def _read_base(self, repository: Repository, base: str) -> ReadResult:
        place, now = (repository.id, base), self._clock()
        known = self._bases.get(place)
        if known is not None and known[0].contains(now):
            return known[1]
        found = self._read(repository, base)
        if not (isinstance(found, _UnreadableFile) and found.transient):
            self._bases.put(place, (TimeWindow(now, BASE_TTL), found))
        return found

    def _read(self, repository: Repository, ref: str) -> ReadResult:
        try:
            return self._parse(self._forge.file(repository, CONFIG_FILE, ref, self._rules.max_bytes))
        except InvalidConfig as error:
            return _UnreadableFile(tuple(error.lines()))
        except ForgeNotFound:
            return _UnreadableFile((MISSING_FILE,))
        except ForgeUnavailable as error:
            return _UnreadableFile((str(error),), transient=True, permanent=False)
        except ForgeRefused as error:
            return _UnreadableFile((str(error),), permanent=False)

    def _parse(self, text: bytes) -> Document:
        known = self._parsed.get(text)
        if known is None:
            known = self._rules.parse_file(text, YamlLimits(size=self._rules.max_bytes))
            self._parsed.put(text, known)
        return known

    def _base_labels(self, repository: Repository, base: str) -> frozenset[str]:
        """The trigger labels that apply if the commit's own file doesn't define them: the base branch's, otherwise the
        server's."""
        found, default = self._read_base(repository, base), self._rules.bounds.default_labels
        return trigger_labels(found, default) if isinstance(found, Document) else default


def _notices(document: Document, bounds: AdmissionPolicy, grants: SecretGrants) -> tuple[str, ...]:
    """What the file requests but isn't supported."""
    return (*map(str, withheld_secrets(document, grants)), *unsupported.notices(document, bounds))
