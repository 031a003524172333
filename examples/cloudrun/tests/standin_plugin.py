"""A stand-in for Pulumi's plugin for Google Cloud: ``python standin_plugin.py``, as ``pulumi-resource-gcp`` on PATH.

It carries out the three resource types of the program. Inputs are checked against pulumi-gcp's own classes. What the
SDK doesn't know (which change replaces a resource) is from the documentation of the Terraform provider. It is refused
to connect to anything but the endpoint that the program names.
"""

import importlib
import inspect
import json
import sys
import typing
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from importlib import metadata
from typing import Any
from urllib.parse import urlencode

from pulumi import _types as sdk
from pulumi.provider.experimental import provider as protocol
from pulumi.provider.experimental.property_value import PropertyValue
from pulumi.provider.experimental.server import main
from pulumi.runtime import rpc

Values = dict[str, Any]
SERVICE, MEMBER, MAPPING = (
    "gcp:cloudrunv2/service:Service",
    "gcp:cloudrunv2/serviceIamMember:ServiceIamMember",
    "gcp:cloudrun/domainMapping:DomainMapping",
)
REPLACED_BY = {
    SERVICE: ("name", "location", "project"),
    MEMBER: ("name", "location", "project", "role", "member"),
    MAPPING: ("name", "location", "project", "spec", "metadata"),
}
NOT_FOUND = 404


class ApiError(Exception):
    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class StandIn(protocol.Provider):
    def __init__(self) -> None:
        self._settings: Values = {}

    async def check_config(self, request: protocol.CheckRequest) -> protocol.CheckResponse:
        return protocol.CheckResponse(request.new_inputs)

    async def diff_config(self, request: protocol.DiffRequest) -> protocol.DiffResponse:  # noqa: ARG002 - the protocol
        return protocol.DiffResponse(changes=False)

    async def configure(self, request: protocol.ConfigureRequest) -> protocol.ConfigureResponse:
        self._settings = plain(request.args)
        return protocol.ConfigureResponse(accept_secrets=True, supports_preview=True)

    async def check(self, request: protocol.CheckRequest) -> protocol.CheckResponse:
        failures = list(check_inputs(args_class(request.type), plain(request.new_inputs)))
        return protocol.CheckResponse(request.new_inputs, [protocol.CheckFailure(*item) for item in failures])

    async def diff(self, request: protocol.DiffRequest) -> protocol.DiffResponse:
        old, new = plain(request.old_state), plain(request.new_inputs)
        changed = sorted(name for name in old.keys() | new.keys() if old.get(name) != new.get(name))
        replaces = [name for name in changed if name in REPLACED_BY[request.type]]
        return protocol.DiffResponse(bool(changed), replaces, diffs=changed, delete_before_replace=True)

    async def create(self, request: protocol.CreateRequest) -> protocol.CreateResponse:
        if request.preview:
            return protocol.CreateResponse("", request.properties)
        values = plain(request.properties)
        match request.type:
            case t if t == SERVICE:
                query = urlencode({"serviceId": values["name"]})
                self._operation("POST", f"{self._location(values)}/services?{query}", service_body(values))
                return protocol.CreateResponse(service_path(values), request.properties)
            case t if t == MEMBER:
                self._change_members(values, add=True)
                return protocol.CreateResponse(member_id(values), request.properties)
            case _:
                self._call("POST", mapping_path(values, ""), mapping_body(values))
                path = f"locations/{values['location']}/namespaces/{values['project']}/domainmappings/{values['name']}"
                return protocol.CreateResponse(path, request.properties)

    async def read(self, request: protocol.ReadRequest) -> protocol.ReadResponse:
        values = plain(request.properties)
        if not self._exists(request.type, values):
            return protocol.ReadResponse("", {}, {})
        return protocol.ReadResponse(request.resource_id, request.properties, request.inputs)

    async def update(self, request: protocol.UpdateRequest) -> protocol.UpdateResponse:
        values = plain(request.news)
        if not request.preview:
            if request.type != SERVICE:
                raise RuntimeError(f"{request.type} can't be changed in place")
            self._operation("PATCH", service_path(values), service_body(values))
        return protocol.UpdateResponse(request.news)

    async def delete(self, request: protocol.DeleteRequest) -> None:
        values = plain(request.properties)
        try:
            match request.type:
                case t if t == SERVICE:
                    self._operation("DELETE", service_path(values))
                case t if t == MEMBER:
                    self._change_members(values, add=False)
                case _:
                    self._call("DELETE", mapping_path(values, values["name"]))
        except ApiError as error:
            if error.status != NOT_FOUND:
                raise

    async def invoke(self, request: protocol.InvokeRequest) -> protocol.InvokeResponse:
        raise RuntimeError(f"the program must look nothing up, but called {request.tok}")

    async def cancel(self) -> None:
        """Calls end by themselves."""

    def _exists(self, kind: str, values: Values) -> bool:
        try:
            if kind == MAPPING:
                self._call("GET", mapping_path(values, values["name"]))
            elif kind == SERVICE:
                self._call("GET", service_path(values))
            else:
                policy = self._call("GET", f"{service_path(values)}:getIamPolicy")
                return any(values["member"] in item["members"] for item in policy.get("bindings", ()))
        except ApiError as error:
            if error.status == NOT_FOUND:
                return False
            raise
        return True

    def _change_members(self, values: Values, *, add: bool) -> None:
        path = service_path(values)
        policy = self._call("GET", f"{path}:getIamPolicy")
        members = {item["role"]: set(item["members"]) for item in policy.get("bindings", ())}
        wanted = members.setdefault(values["role"], set())
        (wanted.add if add else wanted.discard)(values["member"])
        bindings = [{"role": role, "members": sorted(found)} for role, found in sorted(members.items()) if found]
        self._call("POST", f"{path}:setIamPolicy", {"policy": {"bindings": bindings}})

    def _operation(self, method: str, path: str, body: Values | None = None) -> None:
        done = self._call(method, path, body)
        if done.get("error"):
            raise RuntimeError(
                f"Error waiting for {method}: Error code {done['error']['code']}, {done['error']['message']}"
            )

    def _call(self, method: str, path: str, body: Values | None = None) -> Values:
        is_v1 = path.startswith("apis/")
        base = self._settings.get("cloudRunCustomEndpoint" if is_v1 else "cloudRunV2CustomEndpoint")
        if not base:
            raise PermissionError("no endpoint: this stand-in never connects to Google")
        headers = {"Authorization": f"Bearer {self._settings['accessToken']}", "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{base}{path}", data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                found: Values = json.loads(answer.read())
        except urllib.error.HTTPError as error:
            raise ApiError(f"googleapi: Error {error.code}: {error.read().decode()}", error.code) from None
        return found

    def _location(self, values: Values) -> str:
        return f"projects/{values['project']}/locations/{values['location']}"


def service_path(values: Values) -> str:
    """Members name their service without its path."""
    return f"projects/{values['project']}/locations/{values['location']}/services/{values['name']}"


def member_id(values: Values) -> str:
    return f"{service_path(values)}/{values['role']}/{values['member']}"


def mapping_path(values: Values, name: str) -> str:
    return f"apis/domains.cloudrun.com/v1/namespaces/{values['project']}/domainmappings/{name}".rstrip("/")


def mapping_body(values: Values) -> Values:
    labels = values["metadata"].get("labels", {})
    return {"metadata": {"name": values["name"], "labels": labels}, "spec": values["spec"]}


def service_body(values: Values) -> Values:
    """Google's names are the SDK's, but for lists that it calls by their plural."""
    template = {**values["template"]}
    template["containers"] = [_container(item) for item in template["containers"]]
    return {"labels": values["labels"], "ingress": values["ingress"], "template": template}


def _container(values: Values) -> Values:
    names = {"envs": "env", "commands": "command"}
    found = {names.get(name, name): value for name, value in values.items()}
    return {**found, "ports": [found["ports"]]}


def args_class(token: str) -> type[Any]:
    if token not in REPLACED_BY:
        raise LookupError(f"this stand-in doesn't have the type {token}")
    _, path, name = token.split(":")
    cls = getattr(importlib.import_module(f"pulumi_gcp.{path.split('/')[0]}"), name)
    return typing.cast(type[Any], getattr(inspect.getmodule(cls), f"{name}Args"))


def check_inputs(args: type[Any], given: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, str]]:
    """Inputs that pulumi-gcp doesn't have, at any depth."""
    names, kinds = sdk.input_type_py_to_pulumi_names(args), sdk.input_type_types(args)
    known = {names.get(name, name): sdk.unwrap_type(kind) for name, kind in kinds.items()}
    for name, value in given.items():
        if name.startswith("__"):
            continue
        if name not in known:
            yield path + name, "pulumi-gcp has no such input"
            continue
        kind = known[name]
        inner = next((sdk.unwrap_type(item) for item in typing.get_args(kind)), kind)
        for item in value if isinstance(value, list) else [value]:
            if isinstance(item, dict) and isinstance(inner, type) and sdk.is_input_type(inner):
                yield from check_inputs(inner, item, f"{path}{name}.")


def plain(properties: Any) -> Any:
    """Property values as plain ones; whole numbers are integers."""
    inner = properties.value if isinstance(properties, PropertyValue) else properties
    if isinstance(inner, Mapping):
        return {key: plain(item) for key, item in inner.items() if not str(key).startswith("__")}
    if isinstance(inner, (list, tuple)):
        return [plain(item) for item in inner]
    if inner == rpc.UNKNOWN:
        return None
    return int(inner) if isinstance(inner, float) and inner.is_integer() else inner


if __name__ == "__main__":
    main(sys.argv[1:], metadata.version("pulumi-gcp"), StandIn())
