# ruff: noqa: N802 - the names of methods are those of the gRPC service; and the SDK's generated classes have no types
# mypy: ignore-errors
"""A language host for Python projects: runs the program, no more.

Pulumi's own isn't available as a module on closed machines. On PATH as ``pulumi-language-python``.
"""

import asyncio
import json
import os
import runpy
import subprocess
import sys
import time
from concurrent import futures

import grpc
import pulumi
from pulumi import runtime
from pulumi.runtime.proto import language_pb2, language_pb2_grpc, plugin_pb2


class LanguageHost(language_pb2_grpc.LanguageRuntimeServicer):
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
        order = {
            "monitor": request.monitor_address,
            "engine": sys.argv[1],
            "project": request.project,
            "stack": request.stack,
            "dry_run": request.dryRun,
            "organization": request.organization,
        }
        env = {**os.environ, "PULUMI_CONFIG": json.dumps(dict(request.config)), "PROGRAM_ORDER": json.dumps(order)}
        command = [sys.executable, "-B", __file__, "--program", request.info.program_directory]
        code = subprocess.run(command, cwd=request.pwd, env=env, stdin=subprocess.DEVNULL).returncode
        return language_pb2.RunResponse(error=f"the program exited with {code}" if code else "")


def run_program(folder):
    order = json.loads(os.environ["PROGRAM_ORDER"])
    runtime.configure(runtime.Settings(**order))
    program = f"{folder}/__main__.py"
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    loop.run_until_complete(runtime.run_in_stack(lambda: runpy.run_path(program, run_name="__main__")))
    assert pulumi is not None


if __name__ == "__main__":
    if sys.argv[1] == "--program":
        run_program(sys.argv[2])
    else:
        server = grpc.server(futures.ThreadPoolExecutor(8))
        language_pb2_grpc.add_LanguageRuntimeServicer_to_server(LanguageHost(), server)
        sys.stdout.write(f"{server.add_insecure_port('127.0.0.1:0')}\n")
        server.start()
        sys.stdout.flush()
        time.sleep(3600)
