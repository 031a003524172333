"""The same project in other languages than YAML, on the real engine and the languages' real SDKs. Row: T8."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from programs.kit.errors import TargetError
from programs.targets.program.target import TARGET
from tests.targets.program.conftest import BUILD, NAME, ProgramMachine

pytestmark = [pytest.mark.real, pytest.mark.long, pytest.mark.timeout(600)]

ROOT = Path(__file__).resolve().parents[3]
PROJECT = "name: shop\nruntime: %s\nplugins:\n  providers:\n    - name: democloud\n      path: ./provider\n"
PYTHON = """
import pathlib
import pulumi

class Site(pulumi.CustomResource):
    url: pulumi.Output[str]

    def __init__(self, name, site, html):
        super().__init__("democloud:index:Site", name, {"name": site, "html": html, "url": None})

page = pathlib.Path("page.html").read_text()
if "unsellable" in page:
    raise ValueError("we don't sell that")
pulumi.export("url", Site("page", pulumi.Config("eph").require("name"), page).url)
pulumi.export("for", pulumi.Config("eph").require("pr"))
"""
NODEJS = """
const fs = require("fs");
const pulumi = require("@pulumi/pulumi");

class Site extends pulumi.CustomResource {
  constructor(name, site, html) {
    super("democloud:index:Site", name, { name: site, html, url: undefined });
  }
}

const page = fs.readFileSync("page.html", "utf8");
if (page.includes("unsellable")) throw new Error("we don't sell that");
exports.url = new Site("page", new pulumi.Config("eph").require("name"), page).url;
exports.for = new pulumi.Config("eph").require("pr");
"""
GO = """
package main

import (
	"errors"
	"os"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

type site struct {
	pulumi.CustomResourceState
	URL pulumi.StringOutput `pulumi:"url"`
}

func main() {
	pulumi.Run(func(ctx *pulumi.Context) error {
		page, err := os.ReadFile("page.html")
		if err != nil {
			return err
		}
		if strings.Contains(string(page), "unsellable") {
			return errors.New("we don't sell that")
		}
		name, _ := ctx.GetConfig("eph:name")
		number, _ := ctx.GetConfig("eph:pr")
		created := &site{}
		inputs := pulumi.Map{"name": pulumi.String(name), "html": pulumi.String(page)}
		if err := ctx.RegisterResource("democloud:index:Site", "page", inputs, created); err != nil {
			return err
		}
		ctx.Export("url", created.URL)
		ctx.Export("for", pulumi.String(number))
		return nil
	})
}
"""
PROGRAMS: Mapping[str, Mapping[str, str]] = {
    "python": {"__main__.py": PYTHON},
    "nodejs": {"index.js": NODEJS, "package.json": '{"main": "index.js"}'},
    "go": {"main.go": GO},
}
RUNTIMES = {"go": "{name: go, options: {binary: ./program}}"}


def compile_go(machine: ProgramMachine) -> Path:
    """With the modules that Pulumi's CLI is built from. Outside the sandbox, which has no modules."""
    if shutil.which("go") is None:
        pytest.skip("needs Go")
    folder = machine.folder / "go"
    shutil.copytree(ROOT / "infra/toolchain/pulumi", folder)
    (folder / "main.go").write_text(GO)
    out = machine.folder / "tools" / "program"
    command = ["go", "build", "-mod=readonly", "-trimpath", "-ldflags", "-s -w", "-o", str(out), "."]
    env = {**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "", "GOWORK": "off"}
    subprocess.run(command, cwd=folder, env=env, check=True, timeout=280)
    return out


def node_packages() -> str:
    """The folder that contains ``node_modules``, in place of what `npm ci` would install in a build."""
    command = [str(ROOT / "infra/toolchain/pulumi-nodejs.sh"), "--find"]
    found = subprocess.run(command, capture_output=True, text=True)
    if found.returncode:
        pytest.skip("needs Pulumi's SDK for Node.js; run `make pulumi-nodejs`")
    return found.stdout.strip()


@pytest.mark.exhaustive
@pytest.mark.parametrize("language", PROGRAMS)
def test_project_in_this_language_is_created_updated_and_destroyed(machine: ProgramMachine, language: str) -> None:
    """With an error of the program in between, which the message quotes; and at the end the source is gone."""
    files = {name: text for name, text in machine.shop().items() if not name.startswith("Pulumi.")}
    files |= {"Pulumi.yaml": PROJECT % RUNTIMES.get(language, language), **PROGRAMS[language]}
    build = BUILD
    if language == "nodejs":
        packages = node_packages()
        machine.changed = {"toolbox": os.pathsep.join([machine.strings["toolbox"], packages])}
        build += f" && ln -s {packages}/node_modules node_modules"
    if language == "go":
        build += f" && cp {compile_go(machine)} program"
    first = machine.apply(files, build=build)
    assert (first.plan, first.addresses.urls) == ("+1 create", {"web": f"{machine.cloud.url}/sites/{NAME}/"})
    assert (first.addresses.shown, machine.cloud.names()) == ({"for": "42"}, [NAME])

    newer = machine.apply({"page.html": "<h1>Two</h1>"}, build=build)
    assert (newer.plan, machine.cloud.items["sites", NAME]) == ("~1 update", "<h1>Two</h1>")

    with pytest.raises(TargetError) as failure:
        machine.apply({"page.html": "<h1>unsellable</h1>"}, build=build)
    assert "we don't sell that" in failure.value.sentence
    assert machine.cloud.items["sites", NAME] == "<h1>Two</h1>"

    shutil.rmtree(machine.repository.bare)
    TARGET.purge(NAME, machine.strings)
    assert (machine.cloud.items, TARGET.list_remaining(machine.strings)) == ({}, [])
