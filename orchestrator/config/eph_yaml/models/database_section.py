"""Databases, and where their data comes from (D1)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, WithJsonSchema, model_validator

from orchestrator.config import wording
from programs.eph_yaml.field_types import (
    CommandConfig,
    CommittedPath,
    Name,
    Section,
    Text,
    VariableName,
)
from programs.quoting import quote
from programs.settings import InvalidValue

Strategy = Literal["empty", "seed", "template", "snapshot", "read_replica", "branch"]
_STRATEGIES_WITH_SOURCE: tuple[Strategy, ...] = ("template", "snapshot", "read_replica", "branch")
Engine = Literal["postgresql", "redis", "mysql"]
_VARIABLES: Mapping[str, str] = {"postgresql": "DATABASE_URL", "redis": "REDIS_URL", "mysql": "MYSQL_URL"}
_WITHOUT_EFFECT: Mapping[Engine, tuple[str, ...]] = {
    "postgresql": (),
    "redis": ("version", "libpq", "template", "migrate", "order"),
    "mysql": ("version", "libpq", "template", "order"),
}
_VERSION = r"^[0-9]{1,3}(\.[0-9]{1,3}){0,2}$"


def _version(value: str) -> str:
    if not re.fullmatch(_VERSION, value):
        raise InvalidValue(wording.sections.not_a_version(quote(value)), wording.sections.QUOTE_THE_VERSION)
    return value


Version = Annotated[
    Text, AfterValidator(_version), WithJsonSchema({"type": ["string", "number"], "examples": ["15", "16.4"]})
]


class SeedConfig(Section):
    """How the strategy `seed` fills a database."""

    scripts: tuple[CommittedPath, ...] = Field(
        default=(), description="SQL files in the repository, run in this order."
    )
    command: CommandConfig | None = Field(
        default=None,
        description="A command that fills the database; runs after the scripts, with the database's variable set.",
    )

    @model_validator(mode="after")
    def _check_not_empty(self) -> SeedConfig:
        if not self.scripts and self.command is None:
            raise InvalidValue(wording.sections.SEED_EMPTY, wording.sections.ADD_SCRIPTS)
        return self


class DataSourceConfig(Section):
    """Where the data comes from."""

    strategy: Strategy = Field(
        default="empty",
        description="empty: only what migrations create. seed: scripts and a command. template: a clone of a "
        "prepared database. snapshot: a dump, masked. read_replica: read-only access, no copy. branch: the "
        "provider's own branch.",
    )
    seed: SeedConfig | None = Field(default=None, description="The seed, for the strategy seed.")
    source: Text | None = Field(
        default=None,
        description="For template, snapshot, read_replica and branch: the name of the source on the server.",
    )
    mask: tuple[CommittedPath, ...] = Field(
        default=(), description="For snapshot: SQL files that mask the data before anyone can reach it."
    )

    @model_validator(mode="after")
    def _check_strategy(self) -> DataSourceConfig:
        if self.strategy == "seed" and self.seed is None:
            raise InvalidValue(wording.sections.SEED_MISSING, wording.sections.ADD_SEED)
        if self.strategy != "seed" and self.seed is not None:
            raise InvalidValue(
                wording.sections.seed_without_effect(self.strategy), wording.sections.USE_SEED, ("seed",)
            )
        if self.strategy not in _STRATEGIES_WITH_SOURCE and self.source is not None:
            raise InvalidValue(wording.sections.source_without_effect(self.strategy), "remove it", ("source",))
        if self.strategy in _STRATEGIES_WITH_SOURCE and self.source is None:
            raise InvalidValue(wording.sections.source_missing(self.strategy), wording.sections.ADD_SOURCE)
        if self.strategy != "snapshot" and self.mask:
            raise InvalidValue(wording.sections.mask_without_effect(self.strategy), "remove it", ("mask",))
        return self


class DatabaseConfig(Section):
    """A database for each environment."""

    name: Name = Field(description="The name of the database in the environment.")
    engine: Engine = Field(
        default="postgresql",
        description="postgresql: a database with its own role. redis, mysql: the environment's own server.",
    )
    version: Version = Field(default="15", description="The PostgreSQL version.")
    variable: VariableName = Field(
        default="DATABASE_URL",
        description="The variable that contains its URL in builds, migrations and services. Default for redis: "
        "REDIS_URL, for mysql: MYSQL_URL.",
    )
    libpq: bool = Field(
        default=False, description="Whether PGHOST, PGPORT, PGUSER, PGPASSWORD and PGDATABASE are set, too."
    )
    template: DataSourceConfig = Field(default=DataSourceConfig(), description="The source of its data.")
    migrate: CommandConfig | None = Field(
        default=None, description="The migration command; runs after seeding, on the first build and on every push."
    )
    order: Literal["seed-first", "migrate-first"] = Field(
        default="seed-first",
        description="migrate-first: the migrations also run once before the seed, which needs their tables.",
    )

    @model_validator(mode="before")
    @classmethod
    def _name_variable(cls, data: Any) -> Any:
        """The default depends on the engine."""
        variable = _VARIABLES.get(str(data.get("engine"))) if isinstance(data, Mapping) else None
        return {"variable": variable, **data} if variable else data

    @model_validator(mode="after")
    def _check_engine(self) -> DatabaseConfig:
        for key in _WITHOUT_EFFECT[self.engine]:
            if key in self.model_fields_set:
                message = wording.sections.without_effect_on_engine(key, self.engine)
                raise InvalidValue(message, "remove it", (key,))
        return self

    @model_validator(mode="after")
    def _check_order(self) -> DatabaseConfig:
        if self.order == "migrate-first" and not (self.migrate and self.template.strategy == "seed"):
            message = wording.sections.ORDER_WITHOUT_EFFECT
            raise InvalidValue(message, "remove it", ("order",))
        return self


class DatabasesConfig(Section):
    """The environment's databases."""

    enabled: bool = Field(default=True, description="false: no database is created, whatever else is set.")
    instances: tuple[DatabaseConfig, ...] = Field(default=(), description="The databases, each with its own variable.")
