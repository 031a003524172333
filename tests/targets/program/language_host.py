# ruff: noqa: N802 - the names of methods are those of the gRPC service; and the SDK's generated classes have no types
# mypy: ignore-errors
"""A language host for projects in Python, Node.js and Go, and for policy packs in Python: runs the program, no more.

Pulumi's own aren't available as modules on closed machines. On PATH as ``pulumi-language-python`` and so on: scripts
that pass the language, then Pulumi's arguments.
"""

import asyncio
import contextlib
import json
import os
import queue
import runpy
import subprocess
import sys
import threading
import time
import traceback
from concurrent import futures

import grpc
import pulumi
from pulumi import runtime
from pulumi.runtime.proto import language_pb2, language_pb2_grpc, plugin_pb2

POLICIES = ["-u", "-m", "pulumi.policy"]
REPORTED = 32
"""The exit status of a program whose error Pulumi has already: of the SDK for Node.js, and here."""


class LanguageHost(language_pb2_grpc.LanguageRuntimeServicer):
    def __init__(self, language, engine):
        self.command = {"python": python_command, "nodejs": nodejs_command, "go": go_command}[language]
        self.engine = engine

    def Handshake(self, request, context):
        return language_pb2.LanguageHandshakeResponse()

    def GetPluginInfo(self, request, context):
        return plugin_pb2.PluginInfo(version="1.0.0")

    def GetRequiredPackages(self, request, context):
        return language_pb2.GetRequiredPackagesResponse()

    def GetRequiredPlugins(self, request, context):
        return language_pb2.GetRequiredPluginsResponse()

    def RuntimeOptionsPrompts(self, request, context):
        return language_pb2.RuntimeOptionsResponse()

    def Run(self, request, context):
        secret = json.dumps(list(request.configSecretKeys))
        env = {
            **os.environ,
            "PULUMI_CONFIG": json.dumps(dict(request.config)),
            "PULUMI_CONFIG_SECRET_KEYS": secret,
            "PULUMI_MONITOR": request.monitor_address,
            "PULUMI_ENGINE": self.engine,
            "PULUMI_PROJECT": request.project,
            "PULUMI_STACK": request.stack,
            "PULUMI_ORGANIZATION": request.organization,
            "PULUMI_DRY_RUN": str(request.dryRun).lower(),
            "PULUMI_PARALLEL": str(request.parallel),
            "PROGRAM_ORDER": json.dumps(
                {
                    "monitor": request.monitor_address,
                    "engine": self.engine,
                    "project": request.project,
                    "stack": request.stack,
                    "dry_run": request.dryRun,
                    "organization": request.organization,
                }
            ),
        }
        command = self.command(request, self.engine)
        code = subprocess.run(command, cwd=request.pwd, env=env, stdin=subprocess.DEVNULL).returncode
        if code in (0, REPORTED):
            return language_pb2.RunResponse(bail=code == REPORTED)
        return language_pb2.RunResponse(error=f"the program exited with {code}")

    def RunPlugin(self, request, context):
        """A policy pack: it prints the port that it listens on, and runs until Pulumi ends it."""
        folder = request.info.program_directory
        command = [python_of(request.info), *POLICIES, *request.args, folder]
        env = dict(item.split("=", 1) for item in request.env) or dict(os.environ)
        pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        process = subprocess.Popen(command, cwd=folder, env=env, **pipes)
        context.add_callback(process.kill)
        found = queue.Queue()

        def read(name, pipe):
            with contextlib.suppress(ValueError):
                for line in pipe:
                    found.put({name: line})
            found.put(None)

        for name in ("stdout", "stderr"):
            threading.Thread(target=read, args=(name, getattr(process, name)), daemon=True).start()
        for _ in range(2):
            while (item := found.get()) is not None:
                yield language_pb2.RunPluginResponse(**item)
        yield language_pb2.RunPluginResponse(exitcode=process.wait())


def python_of(info):
    """The interpreter of the virtual environment that Pulumi.yaml or PulumiPolicy.yaml names."""
    named = dict(info.options).get("virtualenv")
    return f"{info.root_directory}/{named}/bin/python" if named else sys.executable


def python_command(request, _engine):
    return [python_of(request.info), "-B", __file__, "--program", request.info.program_directory]


def nodejs_command(request, engine):
    """As the SDK for Node.js documents its entry point: which program, and how to reach the engine."""
    folder = request.info.program_directory
    flags = {
        "monitor": request.monitor_address,
        "engine": engine,
        "project": request.project,
        "stack": request.stack,
        "organization": request.organization,
        "parallel": request.parallel,
        "pwd": folder,
        "dry-run": str(request.dryRun).lower(),
    }
    run = f"{folder}/node_modules/@pulumi/pulumi/cmd/run"
    return ["node", run, *(f"--{name}={value}" for name, value in flags.items()), folder]


def go_command(request, _engine):
    """A compiled program, which Pulumi.yaml names. It finds the engine by variables."""
    return [f"{request.info.program_directory}/{dict(request.info.options)['binary']}"]


def run_program(folder):
    order = json.loads(os.environ["PROGRAM_ORDER"])
    runtime.configure(runtime.Settings(**order))
    program = f"{folder}/__main__.py"
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    try:
        loop.run_until_complete(runtime.run_in_stack(lambda: runpy.run_path(program, run_name="__main__")))
    except Exception:  # noqa: BLE001 - a program may raise anything
        pulumi.log.error(traceback.format_exc())
        loop.run_until_complete(asyncio.gather(*asyncio.all_tasks(loop), return_exceptions=True))
        sys.exit(REPORTED)


if __name__ == "__main__":
    if sys.argv[1] == "--program":
        run_program(sys.argv[2])
    else:
        server = grpc.server(futures.ThreadPoolExecutor(8))
        language_pb2_grpc.add_LanguageRuntimeServicer_to_server(LanguageHost(*sys.argv[1:3]), server)
        sys.stdout.write(f"{server.add_insecure_port('127.0.0.1:0')}\n")
        server.start()
        sys.stdout.flush()
        time.sleep(3600)
