"""The tools by name: what an agent reads about each, and the method that runs it."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from orchestrator.service.port import DeployNotFound, EnvironmentNotFound, RequestRefused, TemporarilyUnavailable
from orchestrator.surfaces import wording
from orchestrator.surfaces.api.api_errors import suggest_names
from orchestrator.surfaces.mcp import arguments
from orchestrator.surfaces.mcp.agent_tools import AgentTools, ToolFailed
from orchestrator.surfaces.mcp.arguments import Arguments
from orchestrator.surfaces.mcp.results import Result

INSTRUCTIONS = wording.mcp.INSTRUCTIONS


@dataclass(frozen=True, slots=True)
class Tool:
    """``changes``: it isn't only a read. ``destroys``: what it does can't be undone."""

    description: str
    arguments: type[Arguments]
    run: Callable[[AgentTools, Any], Awaitable[Result]]
    changes: bool = False
    destroys: bool = False


TOOLS: Mapping[str, Tool] = {
    "list_environments": Tool(
        description="List the environments that exist or are requested.",
        arguments=arguments.ListArguments,
        run=AgentTools.list_environments,
    ),
    "get_environment": Tool(
        description="Show one environment: phase, URL, commit, expiry, failure, tests.",
        arguments=arguments.NameArguments,
        run=AgentTools.get_environment,
    ),
    "explain_state": Tool(
        description="Explain why an environment is in its phase, most important reason first.",
        arguments=arguments.NameArguments,
        run=AgentTools.explain_state,
    ),
    "create_environment": Tool(
        description=(
            "Deploy a pushed branch, a tag or a built commit under a label, without a pull request; the same label "
            "replaces it. Or request the environment of a pull request."
        ),
        arguments=arguments.CreateArguments,
        run=AgentTools.create_environment,
        changes=True,
    ),
    "wait_until_ready": Tool(
        description=(
            "Wait until an environment responds at its URL; starts one that is asleep. Returns the failure if it fails."
        ),
        arguments=arguments.WaitArguments,
        run=AgentTools.wait_until_ready,
        changes=True,
    ),
    "get_logs": Tool(
        description="Read the last lines of its build and its services, of Pulumi's log, or of a test suite.",
        arguments=arguments.LogArguments,
        run=AgentTools.get_logs,
    ),
    "run_tests": Tool(
        description="Run the repository's failed and skipped test suites against the environment again.",
        arguments=arguments.NameArguments,
        run=AgentTools.run_tests,
        changes=True,
    ),
    "restart": Tool(
        description="Restart one service of an environment, or all of them, without building anything.",
        arguments=arguments.RestartArguments,
        run=AgentTools.restart,
        changes=True,
    ),
    "list_variables": Tool(
        description="List the variables that people set for an environment; values of secrets aren't shown.",
        arguments=arguments.NameArguments,
        run=AgentTools.list_variables,
    ),
    "set_variables": Tool(
        description="Set or unset variables of one environment without a push. An update applies them.",
        arguments=arguments.SetVariablesArguments,
        run=AgentTools.set_variables,
        changes=True,
    ),
    "reset_database": Tool(
        description="Delete all data of a database, then seed and migrate it again. "
        "The first call only returns a confirmation token.",
        arguments=arguments.ResetDatabaseArguments,
        run=AgentTools.reset_database,
        changes=True,
        destroys=True,
    ),
    "extend": Tool(
        description="Postpone an environment's expiry.",
        arguments=arguments.ExtendArguments,
        run=AgentTools.extend,
        changes=True,
    ),
    "exec": Tool(
        description="Run a command where a service of the environment runs, such as a migration or a query. "
        "Returns its exit status and the end of its output.",
        arguments=arguments.ExecArguments,
        run=AgentTools.exec,
        changes=True,
    ),
    "destroy_environment": Tool(
        description="Destroy an environment and its data. The first call only returns a confirmation token.",
        arguments=arguments.DestroyArguments,
        run=AgentTools.destroy_environment,
        changes=True,
        destroys=True,
    ),
    "validate_eph_yaml": Tool(
        description="Check the content of an eph.yaml. Each problem names its line and what was expected.",
        arguments=arguments.ValidateArguments,
        run=AgentTools.validate_eph_yaml,
    ),
    "explain_eph_yaml": Tool(
        description="Describe the keys of eph.yaml.",
        arguments=arguments.ExplainArguments,
        run=AgentTools.explain_eph_yaml,
    ),
}


async def call(tools: AgentTools, name: str, given: Mapping[str, Any]) -> tuple[Result, bool]:
    """The result, and whether it is an error. Every error says what to do next."""
    tool = TOOLS.get(name)
    if tool is None:
        return _error(wording.mcp.unknown_tool(name[:60]), wording.mcp.use_one_of(", ".join(TOOLS))), True
    try:
        return await tool.run(tools, tool.arguments.model_validate(dict(given))), False
    except ToolFailed as failed:
        return failed.result, True
    except ValidationError as error:
        return _error(_describe(error), wording.mcp.tool_arguments(name, _fields(tool))), True
    except EnvironmentNotFound as error:
        hint = suggest_names(str(given.get("name", "")), tools.service.environments())
        return _error(str(error), wording.mcp.list_environments(hint)), True
    except DeployNotFound as error:
        return _error(str(error), wording.mcp.WAIT_OR_CREATE), True
    except RequestRefused as error:
        return {**_error(str(error), wording.mcp.CHANGE_REQUEST), "reason": str(error.reason)}, True
    except TemporarilyUnavailable as error:
        return _error(str(error), wording.mcp.TRY_IN_SECONDS), True


def to_text(result: Result) -> str:
    return json.dumps(result, ensure_ascii=False, separators=(",", ":"))


def _error(message: str, following: str) -> Result:
    return {"error": message, "next": following}


def _describe(error: ValidationError) -> str:
    parts = [f"{'.'.join(map(str, each['loc'])) or 'arguments'}: {each['msg']}" for each in error.errors()]
    return "; ".join(parts)[:1000]


def _fields(tool: Tool) -> str:
    return ", ".join(tool.arguments.model_fields)
