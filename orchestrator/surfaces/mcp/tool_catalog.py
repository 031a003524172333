"""The tools by name: what an agent reads about each, and the method that runs it."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from orchestrator.service.port import DeployNotFound, EnvironmentNotFound, RequestRefused, TemporarilyUnavailable
from orchestrator.surfaces.api.api_errors import suggest_names
from orchestrator.surfaces.mcp import arguments
from orchestrator.surfaces.mcp.agent_tools import AgentTools, ToolFailed
from orchestrator.surfaces.mcp.arguments import Arguments
from orchestrator.surfaces.mcp.results import Result

INSTRUCTIONS = """Eph gives a branch or a pull request its own live environment with a URL.
From a branch: push it, create_environment, wait_until_ready, read get_logs if it failed, push a fix, create it again \
under the same label. For a pull request: add the server's trigger label to it at the Git host, then wait_until_ready \
with owner/repo#number. Each result's `next` says what to do. \
There is no tool to run a command inside an environment: Eph doesn't offer that yet. Use get_logs and run_tests."""


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
        "List the environments that exist or are requested.", arguments.ListArguments, AgentTools.list_environments
    ),
    "get_environment": Tool(
        "Show one environment: phase, URL, commit, expiry, failure, tests.",
        arguments.NameArguments,
        AgentTools.get_environment,
    ),
    "explain_state": Tool(
        "Explain why an environment is in its phase, most important reason first.",
        arguments.NameArguments,
        AgentTools.explain_state,
    ),
    "create_environment": Tool(
        "Deploy a pushed branch, a tag or a built commit under a label, without a pull request. "
        "The same label replaces it.",
        arguments.CreateArguments,
        AgentTools.create_environment,
        changes=True,
    ),
    "wait_until_ready": Tool(
        "Wait until an environment responds at its URL; starts one that is asleep. Returns the failure if it fails.",
        arguments.WaitArguments,
        AgentTools.wait_until_ready,
        changes=True,
    ),
    "get_logs": Tool(
        "Read the last lines of its build and its services, of Pulumi's log, or of a test suite.",
        arguments.LogArguments,
        AgentTools.get_logs,
    ),
    "run_tests": Tool(
        "Run the repository's failed and skipped test suites against the environment again.",
        arguments.NameArguments,
        AgentTools.run_tests,
        changes=True,
    ),
    "extend": Tool("Postpone an environment's expiry.", arguments.ExtendArguments, AgentTools.extend, changes=True),
    "destroy_environment": Tool(
        "Destroy an environment and its data. The first call only returns a confirmation token.",
        arguments.DestroyArguments,
        AgentTools.destroy_environment,
        changes=True,
        destroys=True,
    ),
    "validate_eph_yaml": Tool(
        "Check the content of an eph.yaml. Each problem names its line and what was expected.",
        arguments.ValidateArguments,
        AgentTools.validate_eph_yaml,
    ),
    "explain_eph_yaml": Tool("Describe the keys of eph.yaml.", arguments.ExplainArguments, AgentTools.explain_eph_yaml),
}


async def call(tools: AgentTools, name: str, given: Mapping[str, Any]) -> tuple[Result, bool]:
    """The result, and whether it is an error. Every error says what to do next."""
    tool = TOOLS.get(name)
    if tool is None:
        return _error(f"Unknown tool {name[:60]!r}.", f"Use one of: {', '.join(TOOLS)}."), True
    try:
        return await tool.run(tools, tool.arguments.model_validate(dict(given))), False
    except ToolFailed as failed:
        return failed.result, True
    except ValidationError as error:
        return _error(_describe(error), f"The arguments of {name} are: {_fields(tool)}."), True
    except EnvironmentNotFound as error:
        hint = suggest_names(str(given.get("name", "")), tools.service.environments())
        return _error(str(error), f"{hint} list_environments shows all."), True
    except DeployNotFound as error:
        return _error(str(error), "Call wait_until_ready with only the name, or create_environment again."), True
    except RequestRefused as error:
        return {**_error(str(error), "Change the request as the error says."), "reason": str(error.reason)}, True
    except TemporarilyUnavailable as error:
        return _error(str(error), "Try again in a few seconds. Environments keep running."), True


def to_text(result: Result) -> str:
    return json.dumps(result, ensure_ascii=False, separators=(",", ":"))


def _error(message: str, following: str) -> Result:
    return {"error": message, "next": following}


def _describe(error: ValidationError) -> str:
    parts = [f"{'.'.join(map(str, each['loc'])) or 'arguments'}: {each['msg']}" for each in error.errors()]
    return "; ".join(parts)[:1000]


def _fields(tool: Tool) -> str:
    return ", ".join(tool.arguments.model_fields)
