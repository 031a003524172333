"""The plugin protocol: the same for all types. Calls to AWS run in threads, so that resources don't wait for others."""

from __future__ import annotations

import asyncio
import json
import secrets
from typing import Any

from botocore.exceptions import ClientError
from pulumi.provider.experimental import provider as protocol
from pulumi.provider.experimental.property_value import PropertyValue

from tests.targets.aws.standin import sdk_schema
from tests.targets.aws.standin.connection import Connection, decode
from tests.targets.aws.standin.kind import KINDS, Kind, Values, is_gone
from tests.targets.aws.standin.sdk_schema import UNKNOWN
from tests.targets.aws.standin.values import Properties, plain_properties, to_plain, to_property

INPUTS = "__inputs"
"""The inputs of the last operation, kept in the state: a diff compares with them."""


class StandIn(protocol.Provider):
    def __init__(self, *, runs_tasks: bool) -> None:
        self._runs_tasks = runs_tasks
        self._aws = Connection({})

    async def check_config(self, request: protocol.CheckRequest) -> protocol.CheckResponse:
        import pulumi_aws

        given = decode({name: item for name, item in plain_properties(request.new_inputs).items() if name != "version"})
        found = sdk_schema.failures(pulumi_aws.ProviderArgs, given)
        return protocol.CheckResponse(request.new_inputs, [protocol.CheckFailure(*one) for one in found])

    async def diff_config(self, request: protocol.DiffRequest) -> protocol.DiffResponse:
        return protocol.DiffResponse(changes=None)

    async def configure(self, request: protocol.ConfigureRequest) -> protocol.ConfigureResponse:
        self._aws = Connection(decode(plain_properties(request.args)), runs_tasks=self._runs_tasks)
        await asyncio.to_thread(self._aws.check_account)
        return protocol.ConfigureResponse(accept_secrets=True, supports_preview=True)

    async def check(self, request: protocol.CheckRequest) -> protocol.CheckResponse:
        inputs, kind = dict(request.new_inputs), KINDS.get(token(request))
        if kind is None:
            missing = protocol.CheckFailure("", f"this stand-in doesn't have the type {token(request)}")
            return protocol.CheckResponse(inputs, [missing])
        found = list(sdk_schema.failures(sdk_schema.input_class(token(request)), plain_properties(inputs)))
        for name, value in kind.defaults.items():
            inputs.setdefault(name, to_property(value))
        if kind.name and kind.name not in inputs:
            generated = PropertyValue(f"{request.name}-{secrets.token_hex(4)[:7]}")
            inputs[kind.name] = request.old_inputs.get(kind.name) or generated
        if "tagsAll" in sdk_schema.output_names(token(request)):
            own = to_plain(inputs["tags"]) if "tags" in inputs else {}
            inputs["__tagsAll"] = to_property(UNKNOWN if own == UNKNOWN else {**self._aws.default_tags, **own})
        return protocol.CheckResponse(inputs, [protocol.CheckFailure(*one) for one in found])

    async def diff(self, request: protocol.DiffRequest) -> protocol.DiffResponse:
        kind, new = KINDS[token(request)], plain_properties(request.new_inputs)
        old = to_plain(request.old_state[INPUTS])
        detailed: dict[str, protocol.PropertyDiff] = {}
        for name in sorted(old.keys() | new.keys()):
            shown = name.replace("__tagsAll", "tagsAll")
            if name in ("__defaults", "tags") or name in request.ignore_changes or same(old.get(name), new.get(name)):
                continue
            if shown not in (*kind.replaced_by, *kind.updated_by, "tagsAll"):
                raise RuntimeError(f"{token(request)}: this stand-in doesn't know what a change of {shown} does")
            change = "UPDATE" if name in old and name in new else "ADD" if name in new else "DELETE"
            change += "_REPLACE" if shown in kind.replaced_by else ""
            detailed[shown] = protocol.PropertyDiff(protocol.PropertyDiffKind[change], input_diff=True)
        replaces = [name for name in detailed if name in kind.replaced_by]
        return protocol.DiffResponse(bool(detailed), replaces, diffs=list(detailed), detailed_diff=detailed)

    async def create(self, request: protocol.CreateRequest) -> protocol.CreateResponse:
        if request.preview:
            return protocol.CreateResponse("", _previewed(token(request), {}, request.properties))
        kind, inputs = KINDS[token(request)], _inputs(request.properties)
        id_ = await asyncio.to_thread(kind.create, self._aws, inputs)
        seen = await self._read(kind, id_, inputs)
        if seen is None:
            raise RuntimeError(f"{token(request)} {id_} doesn't exist after it was created")
        return protocol.CreateResponse(id_, _state(token(request), request.properties, seen))

    async def read(self, request: protocol.ReadRequest) -> protocol.ReadResponse:
        kind, state = KINDS[token(request)], plain_properties(request.properties)
        seen = await self._read(kind, request.resource_id, state)
        if seen is None:
            return protocol.ReadResponse()
        inputs = _refreshed(request.inputs, seen)
        return protocol.ReadResponse(request.resource_id, _state(token(request), inputs, seen), inputs)

    async def update(self, request: protocol.UpdateRequest) -> protocol.UpdateResponse:
        if request.preview:
            return protocol.UpdateResponse(_previewed(token(request), request.olds, request.news))
        kind, old, new = KINDS[token(request)], plain_properties(request.olds), _inputs(request.news)
        await asyncio.to_thread(kind.update, self._aws, request.resource_id, old, new)
        seen = await self._read(kind, request.resource_id, {**old, **new})
        if seen is None:
            raise RuntimeError(f"{token(request)} {request.resource_id} disappeared while it was updated")
        return protocol.UpdateResponse(_state(token(request), request.news, seen))

    async def delete(self, request: protocol.DeleteRequest) -> None:
        state = plain_properties(request.properties)
        try:
            await asyncio.to_thread(KINDS[token(request)].delete, self._aws, request.resource_id, state)
        except ClientError as error:
            if not is_gone(error):
                raise

    async def invoke(self, request: protocol.InvokeRequest) -> protocol.InvokeResponse:
        raise RuntimeError(f"the program must look nothing up, but called {request.tok}")

    async def cancel(self) -> None:
        """Calls to AWS end by themselves."""

    async def _read(self, kind: Kind, id_: str, state: Values) -> Values | None:
        try:
            seen = await asyncio.to_thread(kind.read, self._aws, id_, state)
        except ClientError as error:
            if not is_gone(error):
                raise
            return None
        if seen and "tagsAll" in seen:
            seen["tagsAll"] = self._aws.without_ignored(seen["tagsAll"])
        return seen


def token(request: Any) -> str:
    """The resource's type, without those of its parents."""
    return str(request.type).rpartition("$")[2]


def same(old: Any, new: Any) -> bool:
    """JSON texts are compared by what they say."""
    if isinstance(old, str) and isinstance(new, str) and old[:1] in ("{", "["):
        try:
            return bool(json.loads(old) == json.loads(new))
        except ValueError:
            return False
    return bool(old == new) and old != UNKNOWN


def _inputs(properties: Properties) -> Values:
    plain = plain_properties(properties)
    return {**plain, "tagsAll": plain.pop("__tagsAll", {})}


def _refreshed(inputs: Properties, seen: Values) -> dict[str, PropertyValue]:
    """The inputs as AWS has them, so that the next update reverts what someone changed."""
    found = {
        name: to_property(seen[name]) if name in seen and not same(to_plain(value), seen[name]) else value
        for name, value in inputs.items()
        if name != "tags"
    }
    if "__tagsAll" in found:
        found["__tagsAll"] = to_property(seen["tagsAll"])
    return {**found, **({"tags": inputs["tags"]} if "tags" in inputs else {})}


def _state(kind_token: str, inputs: Properties, seen: Values) -> dict[str, PropertyValue]:
    """The inputs, and over them what AWS says. An output that pulumi-aws doesn't have is refused, too."""
    unknown = seen.keys() - sdk_schema.output_names(kind_token)
    if unknown:
        raise LookupError(f"{kind_token}: pulumi-aws has no output {', '.join(sorted(unknown))}")
    kind = KINDS[kind_token]
    given = {name: value for name, value in inputs.items() if not name.startswith("__")}
    hidden = {name for name, value in given.items() if value.contains_secret()}
    found = {**given, **{name: to_property(value) for name, value in seen.items() if name not in hidden}}
    found = {name: value.with_secret(True) if name in kind.secret else value for name, value in found.items()}
    return {**found, INPUTS: PropertyValue(dict(inputs))}


def _previewed(kind_token: str, old: Properties, inputs: Properties) -> dict[str, PropertyValue]:
    """Outputs that nobody knows yet are unknown; those that an update keeps are known."""
    given = {name: value for name, value in inputs.items() if not name.startswith("__")}
    unknown = {name: PropertyValue(UNKNOWN) for name in sdk_schema.output_names(kind_token)}
    return {**(old or unknown), **given}
