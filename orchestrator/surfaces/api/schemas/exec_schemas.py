"""What the API says about commands and jobs in an environment."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, Field


class ExecTerminalSize(BaseModel):
    """How large the caller's terminal is."""

    rows: int = Field(default=24, ge=1, le=1000)
    columns: int = Field(default=80, ge=1, le=1000)


class ExecTerminal(ExecTerminalSize):
    """The terminal that a command gets."""

    type: str = Field(default="xterm", pattern=r"^[A-Za-z0-9.+-]{1,40}$", description="The value of TERM.")


class ExecBody(BaseModel):
    """A command to run where a service runs."""

    command: list[Annotated[str, Field(max_length=20_000)]] = Field(
        min_length=1, max_length=1000, description="The program and its arguments. No shell interprets them."
    )
    service: str = Field(default="", max_length=63, description="Empty: the first public service.")
    database: str = Field(
        default="",
        pattern=r"^([A-Za-z_][A-Za-z0-9_]{0,62})?$",
        description="For psql: the variable of the service with the URL of the database that it connects to.",
    )
    terminal: ExecTerminal | None = Field(
        default=None,
        description="Run it in a terminal: all output is stdout, and the terminal echoes the input.",
    )


class JobBody(BaseModel):
    """A job of the environment, such as a DAG, to run."""

    job: str = Field(min_length=1, max_length=250, description="The name that it has in the repository.")
    parameters: dict[str, Any] = Field(default_factory=dict, description="What the job receives.")


class ExecInput(BaseModel):
    """Standard input for a running command."""

    data: str = Field(default="", description="Bytes in base64.")
    end: bool = Field(default=False, description="Close its standard input afterwards.")


class ExecStartedMessage(BaseModel):
    session: str


class ExecOutputMessage(BaseModel):
    stream: str = Field(description="stdout or stderr.")
    text: str


class ExecEndMessage(BaseModel):
    code: int | None = Field(description="The exit status; negative for a signal, null if it ran for too long.")
