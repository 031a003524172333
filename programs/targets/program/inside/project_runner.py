"""Runs a Pulumi project through the Automation API, in the sandbox: ``python project_runner.py``.

The first line on standard input is the request, a JSON object. Later lines are control words: ``apply`` after a plan,
``stop`` instead, and ``interrupt``. Standard output carries JSON lines: ``plan``, ``log``, and at the end ``result``.
The repository's code runs as the same user, so whoever reads these lines must not trust them.
"""

from __future__ import annotations

import base64
import gzip
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

import yaml
from pulumi import automation
from pulumi.automation import CommandResult, EngineEvent, LocalWorkspace, PulumiCommand, Stack
from pulumi.automation.errors import create_command_error
from semver import VersionInfo

PROJECT_FILES = ("Pulumi.yaml", "Pulumi.yml", "Pulumi.json")
COUNTED = ("create", "update", "replace", "delete")
MAX_STEPS = 200
MAX_TEXT = 2000
MAX_ERRORS = 20
MAX_NOTICES = 20
_SUMMARY = json.dumps(
    [
        {
            "kind": "update",
            "startTime": "1970-01-01T00:00:00.000Z",
            "endTime": "1970-01-01T00:00:00.000Z",
            "message": "",
            "environment": {},
            "config": {},
            "result": "succeeded",
        }
    ]
)
_CANNED = {("stack", "select"): "", ("stack", "output"): "{}", ("stack", "history"): _SUMMARY}
"""What the SDK asks after each operation. Our events have all of it, and each answer would be one more process."""
_STACK_TYPE = "pulumi:pulumi:Stack"


class RunRefused(Exception):
    """A sentence for people."""


class Command(PulumiCommand):
    """Runs one ``pulumi`` at a time, and can interrupt it."""

    def __init__(self) -> None:
        # Not the SDK's __init__, which would start `pulumi version`.
        self.command = "pulumi"
        self.version = VersionInfo.parse("3.0.0")
        self._child: subprocess.Popen[str] | None = None
        self._interrupted = threading.Event()
        self._lock = threading.Lock()

    def interrupt(self) -> None:
        """Pulumi finishes the current step, saves the state and ends."""
        with self._lock:
            self._interrupted.set()
            if self._child is not None and self._child.poll() is None:
                self._child.send_signal(signal.SIGINT)

    def run(
        self,
        args: list[str],
        cwd: str,
        additional_env: Mapping[str, str],
        on_output: Callable[[str], Any] | None = None,  # noqa: ARG002 - the SDK's signature
        on_error: Callable[[str], Any] | None = None,  # noqa: ARG002 - the SDK's signature
    ) -> CommandResult:
        answer = _CANNED.get((args[0], args[1])) if len(args) > 1 else None
        if answer is not None:
            return CommandResult(stdout=answer, stderr="", code=0)
        with self._lock:
            if self._interrupted.is_set():
                raise RunRefused("interrupted")
            self._child = subprocess.Popen(
                ["pulumi", "--non-interactive", *args],
                cwd=cwd,
                env={**os.environ, **additional_env, "PULUMI_AUTOMATION_API": "true"},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                errors="replace",
            )
        stdout, stderr = self._child.communicate()
        result = CommandResult(stdout=stdout, stderr=stderr, code=self._child.returncode)
        if result.code != 0:
            raise RunRefused("interrupted") if self._interrupted.is_set() else create_command_error(result)
        return result


@dataclass(slots=True)
class Events:
    """What the engine reported about one command. Values of secret outputs aren't in it."""

    log: Callable[[str], object]
    steps: list[dict[str, str]] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    changes: dict[str, int] = field(default_factory=dict)
    outputs: dict[str, Any] = field(default_factory=dict)

    def __call__(self, event: EngineEvent) -> None:
        """Never raises: an exception here would hang the SDK's call."""
        try:
            self._handle(event)
        except (AttributeError, TypeError, ValueError) as error:
            self.log(f"unknown event: {error}")

    def _handle(self, event: EngineEvent) -> None:
        if event.resource_pre_event is not None:
            self._on_step(event.resource_pre_event.metadata)
        elif event.res_outputs_event is not None and event.res_outputs_event.metadata.type == _STACK_TYPE:
            new = event.res_outputs_event.metadata.new
            self.outputs = dict(new.outputs or {}) if new is not None else {}
        elif event.diagnostic_event is not None:
            self._on_diagnostic(event.diagnostic_event)
        elif event.policy_event is not None:
            self._on_policy(event.policy_event)

    def _on_step(self, metadata: Any) -> None:
        op = str(metadata.op.value)
        if op == "same" or metadata.type == _STACK_TYPE or metadata.type.startswith("pulumi:providers:"):
            return
        name = str(metadata.urn).rpartition("::")[2]
        self.log(f"{op} {metadata.type} {name}")
        if op in COUNTED:
            self.changes[op] = self.changes.get(op, 0) + 1
        if len(self.steps) < MAX_STEPS:
            self.steps.append({"op": op, "type": metadata.type[:200], "name": name[:200]})

    def _on_diagnostic(self, found: Any) -> None:
        text = _shorten(str(found.message).strip())
        if text and found.severity != "debug":
            self.log(text)
        if text and found.severity == "error" and len(self.errors) < MAX_ERRORS:
            name = str(found.urn or "").rpartition("::")[2]
            self.errors.append(f"{name}: {text}" if name else text)

    def _on_policy(self, found: Any) -> None:
        """A mandatory policy stops the run, an advisory one doesn't. A plan and its run report the same ones."""
        name = str(found.resource_urn or "").rpartition("::")[2]
        message = " ".join(str(found.message).split())
        text = f"{name}: {message} ({found.policy_name})"[:MAX_TEXT]
        self.log(f"policy {text}")
        kept, limit = (
            (self.violations, MAX_ERRORS) if found.enforcement_level == "mandatory" else (self.notices, MAX_NOTICES)
        )
        if text not in kept and len(kept) < limit:
            kept.append(text)


class Runner:
    def __init__(self, request: Mapping[str, Any], control: TextIO, out: TextIO) -> None:
        self._request = request
        self._control = control
        self._out = out
        self._command = Command()
        self._answer: str = ""
        self._answered = threading.Event()
        self._state = Path(request["state"])
        self._work = Path(request["work"])

    def run(self) -> dict[str, Any]:
        """The result: ``error`` and ``lines`` if it failed."""
        threading.Thread(target=self._listen, daemon=True).start()
        events = Events(self._log)
        outcome: dict[str, Any] = {}
        try:
            restored = self._restore()
            shutil.rmtree(self._state / ".pulumi" / "locks", ignore_errors=True)  # of a run that was killed
            stack = self._open()
            self._clear_pending(stack)
            if restored and self._request["verb"] == "up":
                self._refresh(stack, events)
            match self._request["verb"]:
                case "up":
                    self._up(stack, events)
                case "destroy":
                    self._destroy(stack, events)
        except RunRefused as refused:
            outcome = {"error": str(refused), "lines": events.errors}
        except automation.CommandError as error:
            outcome = _failure(events, error)
        report = {"changes": events.changes, "outputs": events.outputs, "notices": events.notices}
        return {**outcome, **report, "checkpoint": self._checkpoint()}

    def _up(self, stack: Stack, events: Events) -> None:
        packs = self._request["policy_packs"] or None
        preview = Events(self._log)
        try:
            stack.preview(on_event=preview, color="never", suppress_progress=True, policy_packs=packs)
        except automation.CommandError as error:
            events.errors = preview.errors or _last_lines(str(error))
            events.violations = preview.violations
            raise
        self._send("plan", changes=preview.changes, steps=preview.steps)
        self._answered.wait()
        if self._answer != "apply":
            raise RunRefused("stopped")
        stack.up(on_event=events, color="never", suppress_progress=True, policy_packs=packs)

    def _refresh(self, stack: Stack, events: Events) -> None:
        """A copy may be older than what exists: resources were deleted or changed since."""
        found = Events(self._log)
        try:
            stack.refresh(on_event=found, color="never", suppress_progress=True)
        except automation.CommandError:
            events.errors = found.errors
            raise

    def _destroy(self, stack: Stack, events: Events) -> None:
        resources = self._deployment().get("resources") or []
        if not resources:
            return
        protected = [item["urn"].rpartition("::")[2] for item in resources if item.get("protect")]
        if protected and not self._request["delete_protected"]:
            raise RunRefused("protected: " + ", ".join(sorted(protected)[:MAX_ERRORS]))
        if protected:
            self._command.run(["state", "unprotect", "--all", "--yes", "--stack", stack.name], str(self._work), {})
        stack.destroy(on_event=events, color="never", suppress_progress=True)

    def _open(self) -> Stack:
        project = self._project()
        name = str(project.get("name") or self._request["environment"])
        self._stack_file = self._state / ".pulumi" / "stacks" / name / f"{self._request['environment']}.json"
        workspace = LocalWorkspace(work_dir=str(self._work), pulumi_command=self._command)
        stack_name = str(self._request["environment"])
        settings = self._work / f"Pulumi.{stack_name}.yaml"
        config = self._config()
        exists = self._stack_file.exists()
        if exists:
            salt = self._deployment().get("secrets_providers", {}).get("state", {}).get("salt", "")
            settings.write_text(yaml.safe_dump({"encryptionsalt": salt, "config": config}))
            return Stack.select(stack_name, workspace)
        if self._request["verb"] == "destroy":
            raise RunRefused("state lost")
        settings.unlink(missing_ok=True)
        stack = Stack.create(stack_name, workspace)
        created = yaml.safe_load(settings.read_text()) or {}
        settings.write_text(yaml.safe_dump({**created, "config": config}))
        for key, value in self._request["tags"].items():
            stack.set_tag(key, value)
        return stack

    def _project(self) -> dict[str, Any]:
        found = [self._work / name for name in PROJECT_FILES if (self._work / name).is_file()]
        if not found and self._request["verb"] == "destroy":
            return self._project_without_source()
        if not found:
            raise RunRefused("no project")
        try:
            data = yaml.safe_load(found[0].read_text())
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise RunRefused(f"invalid project: {str(error)[:MAX_TEXT]}") from error
        if not isinstance(data, dict):
            raise RunRefused("invalid project: it isn't a mapping")
        runtime = data.get("runtime")
        host = str(runtime.get("name", "") if isinstance(runtime, dict) else runtime)
        if shutil.which(f"pulumi-language-{host}") is None and self._request["verb"] != "destroy":
            raise RunRefused(f"no language host: {host[:40]}")
        return data

    def _project_without_source(self) -> dict[str, Any]:
        """A destroy needs no program: the state has everything. The project's name is a folder of the state."""
        stacks = sorted((self._state / ".pulumi" / "stacks").glob(f"*/{self._request['environment']}.json"))
        name = stacks[0].parent.name if stacks else str(self._request["environment"])
        self._work.mkdir(parents=True, exist_ok=True)
        (self._work / "Pulumi.yaml").write_text(yaml.safe_dump({"name": name, "runtime": "yaml"}))
        return {"name": name}

    def _config(self) -> dict[str, Any]:
        """The repository's own stack file, then eph.yaml, then Eph."""
        own: dict[str, Any] = {}
        if self._request["config_file"]:
            path = self._work / self._request["config_file"]
            try:
                data = yaml.safe_load(path.read_text())
            except (OSError, yaml.YAMLError, UnicodeDecodeError) as error:
                if self._request["verb"] == "destroy":
                    data = {}
                else:
                    raise RunRefused(f"invalid config: {str(error)[:MAX_TEXT]}") from error
            data = data if isinstance(data, dict) else {}
            if data.get("environment"):
                raise RunRefused("esc")
            own = data.get("config") or {}
            if any(isinstance(value, dict) and "secure" in value for value in own.values()):
                raise RunRefused("encrypted config")
        return {**own, **self._request["config"]}

    def _clear_pending(self, stack: Stack) -> None:
        """Of a run that was killed. Whether such a resource was created is unknown, so people must learn its name."""
        pending = self._deployment().get("pending_operations") or []
        if not pending:
            return
        names = [str(item.get("resource", {}).get("urn", "")).rpartition("::")[2] for item in pending]
        self._send("pending", names=names[:MAX_STEPS])
        stack.refresh(clear_pending_creates=True, color="never", suppress_progress=True)

    def _deployment(self) -> dict[str, Any]:
        try:
            data = json.loads(self._stack_file.read_text())
        except (OSError, ValueError):
            return {}
        found = data.get("checkpoint", {}).get("latest") if isinstance(data, dict) else None
        return found if isinstance(found, dict) else {}

    def _restore(self) -> bool:
        """From the copy in Eph's stack, if the environment's folder was lost."""
        if not self._request["restore"] or list((self._state / ".pulumi" / "stacks").glob("*/*.json")):
            return False
        saved = json.loads(gzip.decompress(base64.b64decode(self._request["restore"])))
        place = self._state / ".pulumi" / "stacks" / saved["project"] / f"{self._request['environment']}.json"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(json.dumps(saved["content"]))
        return True

    def _checkpoint(self) -> str:
        """The state as text. Its secrets are encrypted with the environment's own passphrase."""
        try:
            content = json.loads(self._stack_file.read_text())
        except (OSError, ValueError, AttributeError):
            return ""
        saved = json.dumps({"project": self._stack_file.parent.name, "content": content})
        return base64.b64encode(gzip.compress(saved.encode(), mtime=0)).decode()

    def _listen(self) -> None:
        for line in self._control:
            match line.strip():
                case "interrupt":
                    self._command.interrupt()
                    self._set_answer("stop")
                case ("apply" | "stop") as word:
                    self._set_answer(word)
        self._command.interrupt()
        self._set_answer("stop")

    def _set_answer(self, word: str) -> None:
        self._answer = self._answer or word
        self._answered.set()

    def _log(self, text: str) -> None:
        self._send("log", text=text)

    def _send(self, event: str, **data: Any) -> None:
        self._out.write(json.dumps({"event": event, **data}) + "\n")
        self._out.flush()

    def main(self) -> None:
        self._state.mkdir(parents=True, exist_ok=True)
        self._send("result", **self.run())


def _shorten(text: str) -> str:
    """Without its middle: a provider says first what happened, and a trace says it last."""
    half = MAX_TEXT // 2
    return text if len(text) <= MAX_TEXT else f"{text[:half]}\n…\n{text[-half:]}"


def _failure(events: Events, error: automation.CommandError) -> dict[str, Any]:
    """Violated policies come first: what else failed is often their consequence."""
    if events.violations:
        return {"error": "policy", "lines": [*events.violations, *events.errors][:MAX_ERRORS]}
    return {"error": "pulumi", "lines": events.errors or _last_lines(str(error))}


def _last_lines(text: str) -> list[str]:
    stderr = text.partition("\n stderr: ")[2].strip() or text
    lines = [line[:MAX_TEXT] for line in stderr.splitlines() if line.strip() and not line.startswith("warning: using ")]
    return lines[-MAX_ERRORS:]


if __name__ == "__main__":
    Runner(json.loads(sys.stdin.readline()), sys.stdin, sys.stdout).main()
    sys.stdout.flush()
    os._exit(0)  # gRPC's threads may keep an interpreter from exiting
