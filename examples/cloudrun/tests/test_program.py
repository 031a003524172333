"""What the program asks Google for, as recorded by Pulumi's mocks. The suite runs it for real, without a domain."""

import asyncio
from typing import Any

import pulumi
from eph_cloudrun import config, names, program
from pulumi.runtime import MockResourceArgs, Mocks, set_mocks

from programs.settings import MachineTools, ServerContext
from programs.spec import EnvironmentSpec, GitSource, ServiceSpec

IMAGE = f"registry.test/shop@sha256:{'c' * 64}"
HOST = "shop-gentle-stream-42.preview.test"


class Recorded(Mocks):
    def __init__(self) -> None:
        self.resources: dict[str, dict[str, Any]] = {}

    def new_resource(self, args: MockResourceArgs) -> tuple[str, dict[str, Any]]:
        self.resources[args.name] = dict(args.inputs)
        return f"{args.name}-id", {"at": "now", **args.inputs}

    def call(self, args: pulumi.runtime.MockCallArgs) -> dict[str, Any]:
        raise AssertionError(f"the program must look nothing up, but called {args.token}")


def settings(tmp_path: Any, **changes: Any) -> dict[str, str]:
    values = {"project": "acme", "project_number": "123", "region": "europe-west1", **changes}
    server = ServerContext(
        "eph-c0ffee", tmp_path, tmp_path, tmp_path / "routes", "https://{host}", MachineTools((), "/bin")
    )
    return config.CloudRunSettings.model_validate(values).to_mapping(server)


def spec(**changes: Any) -> EnvironmentSpec:
    services = (ServiceSpec("web", "", image="shop", port=3000), ServiceSpec("api", "serve", image="shop"))
    given: dict[str, Any] = {"services": services, "images": {"shop": IMAGE}, **changes}
    source = GitSource("/origin.git", "a" * 40, "feature")
    return EnvironmentSpec("shop-gentle-stream-42", HOST, "cloudrun", "shop", source, **given)


def record(mapping: dict[str, str]) -> dict[str, dict[str, Any]]:
    found = Recorded()
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    set_mocks(found, project="eph-shop-1", stack="pr-42", preview=False)

    pulumi.runtime.test(lambda: program.build(spec(), config.from_mapping(mapping), "test"))()
    loop.close()
    return found.resources


def test_services_scale_to_zero_and_know_each_other(tmp_path: Any) -> None:
    found = record(settings(tmp_path, invokers=("group:dev@example.com",)))
    web, api = found["service-web"], found["service-api"]
    assert web["template"]["scaling"] == {"minInstanceCount": 0, "maxInstanceCount": 3}
    assert web["template"]["containers"][0]["image"] == IMAGE
    assert web["labels"][names.ENVIRONMENT] == "shop-gentle-stream-42"
    assert api["template"]["containers"][0]["commands"] == ["/bin/sh", "-c", "serve"]
    values = {item["name"]: item["value"] for item in web["template"]["containers"][0]["envs"]}
    assert values["API_PUBLIC_URL"] == "https://shop-gentle-stream-42-api-123.europe-west1.run.app"
    assert found["invoker-web-group:dev@example.com"]["role"] == "roles/run.invoker"
    assert "domain" not in found


def test_own_host_name_is_mapped_to_the_first_service(tmp_path: Any) -> None:
    found = record(settings(tmp_path, domain_mapping=True))
    assert found["domain"]["name"] == HOST
    assert found["domain"]["spec"] == {"routeName": "shop-gentle-stream-42-web"}
    assert found["address"]["routes"][0]["upstream"] == f"https://{HOST}"


def test_name_that_is_too_long_stays_unique() -> None:
    one, other = (names.service_name("shop-gentle-stream-42", "a" * 40 + end) for end in "xy")
    assert one != other
    assert len(one) <= names.MAX_NAME
